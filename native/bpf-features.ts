/** Asks the running kernel what it knows of BPF, by loading the least program that needs it (libbpf.h, libbpf_probe_*). */
import koffi from 'koffi';
import { checkLibbpf } from './errno.ts';

const library = koffi.load('libbpf.so.1');
const probeProgram = library.func('int libbpf_probe_bpf_prog_type(int type, const void *options)');
const probeMap = library.func('int libbpf_probe_bpf_map_type(int type, const void *options)');
const probeHelper = library.func('int libbpf_probe_bpf_helper(int program, int helper, const void *options)');

/** enum bpf_prog_type of linux/bpf.h. */
const ProgramType = { SCHED_CLS: 3, CGROUP_SOCK: 9, SOCK_OPS: 13, CGROUP_SOCK_ADDR: 18, SK_LOOKUP: 30, SYSCALL: 31 } as const;
/** enum bpf_map_type of linux/bpf.h. */
const MapType = { HASH: 1, ARRAY: 2, PERCPU_HASH: 5, PERCPU_ARRAY: 6, LRU_HASH: 9, SOCKHASH: 18, SK_STORAGE: 24 } as const;
/** enum bpf_func_id of linux/bpf.h. */
const Helper = { bpf_setsockopt: 49, bpf_sock_ops_cb_flags_set: 59, bpf_bind: 64, bpf_skb_load_bytes_relative: 68, bpf_skb_cgroup_id: 79, bpf_get_current_cgroup_id: 80, bpf_sk_lookup_tcp: 84, bpf_sk_release: 86, bpf_sk_fullsock: 95, bpf_sk_storage_get: 107, bpf_sk_storage_delete: 108, bpf_get_netns_cookie: 122, bpf_sk_assign: 124, bpf_set_retval: 187 } as const;

export type BpfFeature =
  | { readonly kind: 'program'; readonly type: keyof typeof ProgramType }
  | { readonly kind: 'map'; readonly type: keyof typeof MapType }
  | { readonly kind: 'helper'; readonly program: keyof typeof ProgramType; readonly helper: keyof typeof Helper };

/** Needs the rights to load: without them nothing is there. @throws SystemCallError where libbpf can not tell */
export function kernelHas(feature: BpfFeature): boolean {
  return checkLibbpf(`probe of ${nameOf(feature)}`, probe(feature)) === 1;
}

function probe(feature: BpfFeature): number {
  switch (feature.kind) {
    case 'program':
      return probeProgram(ProgramType[feature.type], null) as number;
    case 'map':
      return probeMap(MapType[feature.type], null) as number;
    case 'helper':
      return probeHelper(ProgramType[feature.program], Helper[feature.helper], null) as number;
    default:
      return feature satisfies never;
  }
}

/** As linux/bpf.h has it. */
export function nameOf(feature: BpfFeature): string {
  switch (feature.kind) {
    case 'program':
      return `BPF_PROG_TYPE_${feature.type}`;
    case 'map':
      return `BPF_MAP_TYPE_${feature.type}`;
    case 'helper':
      return `${feature.helper}() in BPF_PROG_TYPE_${feature.program}`;
    default:
      return feature satisfies never;
  }
}
