import { CGROUP_KEY_BYTES, cgroupKey, PRESENT, PROBE_PORT_BYTES, probePortKey, PROBES_PASSED_KEY, sumOfProcessors } from '@landbridge/ebpf/capture-layout.ts';
import type { maps } from '@landbridge/ebpf/capture-skeleton.ts';
import type { BpfMap } from '@landbridge/native/bpf-map.ts';
import { possibleCpus } from '@landbridge/native/libbpf.ts';

/** Stands for all ports of an address. */
export const ANY_PORT = 0;

/** A port of a captured pod that the pod's own specification has the kubelet probe. */
export interface ProbePort {
  /** Of the pod. */
  readonly address: string;
  /** Or {@link ANY_PORT}. */
  readonly port: number;
}

/**
 * Which connections go to applications without the agent: those of the kubelet's control group, to ports that it has to
 * probe. The kernel alone decides, and goes on when no agent runs.
 */
export class KubeletProbes {
  readonly #kubelets: BpfMap;
  readonly #ports: BpfMap;
  readonly #passed: BpfMap;

  /** @throws SystemCallError */
  constructor(map: (name: keyof typeof maps, values?: number) => BpfMap) {
    this.#kubelets = map('kubelets');
    this.#ports = map('probe_ports');
    this.#passed = map('probes_passed', possibleCpus());
  }

  /** Exactly this control group is the kubelet's; none: what it sends is as good as anything else. @throws SystemCallError */
  setKubelet(cgroup: bigint | undefined): void {
    apply(this.#kubelets, CGROUP_KEY_BYTES, cgroup === undefined ? [] : [cgroupKey(cgroup)]);
  }

  /** Exactly these are probed. @throws SystemCallError `E2BIG` where there are more than the map takes; the rest stays as it was */
  setPorts(ports: Iterable<ProbePort>): void {
    apply(this.#ports, PROBE_PORT_BYTES, Array.from(ports, ({ address, port }) => probePortKey(address, port)));
  }

  /** Connections that the kubelet began and that went past the agent, each of their tries counted. */
  passed(): bigint {
    return sumOfProcessors(this.#passed.get(PROBES_PASSED_KEY));
  }
}

/** Makes a map's keys the wanted ones. What is no more wanted goes first: it makes room, and nothing passes for longer than it must. */
function apply(map: BpfMap, keyBytes: number, wanted: readonly Buffer[]): void {
  const missing = new Map(wanted.map((key) => [key.toString('latin1'), key]));
  for (const key of map.keys(keyBytes)) if (!missing.delete(key.toString('latin1'))) map.delete(key);
  for (const key of missing.values()) map.set(key, PRESENT);
}
