import { rmSync } from 'node:fs';
import koffi from 'koffi';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { BpfMap } from './bpf-map.ts';
import { checkLibbpf, checkPointer, errnoOf, SystemCallError } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { nativeMemory } from './memory.ts';

type Pointer = object;

const library = koffi.load('libbpf.so.1');
const printFunction = koffi.proto('int landbridge_libbpf_print(int level, const char *format, void *arguments)');
const libbpf = {
  setPrint: library.func('void *libbpf_set_print(landbridge_libbpf_print *print)'),
  openFile: library.func('void *bpf_object__open_file(const char *path, void *options)'),
  load: library.func('int bpf_object__load(void *object)'),
  close: library.func('void bpf_object__close(void *object)'),
  findProgram: library.func('void *bpf_object__find_program_by_name(void *object, const char *name)'),
  findMap: library.func('void *bpf_object__find_map_by_name(void *object, const char *name)'),
  programFd: library.func('int bpf_program__fd(void *program)'),
  mapFd: library.func('int bpf_map__fd(void *map)'),
  setPinPath: library.func('int bpf_map__set_pin_path(void *map, const char *path)'),
  progAttach: library.func('int bpf_prog_attach(int program, int target, int type, unsigned int flags)'),
  linkCreate: library.func('int bpf_link_create(int program, int target, int type, void *options)'),
  linkUpdate: library.func('int bpf_link_update(int link, int program, void *options)'),
  linkDetach: library.func('int bpf_link_detach(int link)'),
  pin: library.func('int bpf_obj_pin(int fd, const char *path)'),
  get: library.func('int bpf_obj_get(const char *path)'),
  objectInfo: library.func('int bpf_obj_get_info_by_fd(int fd, _Out_ void *info, _Inout_ uint32_t *length)'),
  possibleCpus: library.func('int libbpf_num_possible_cpus()'),
  testRun: library.func('int bpf_prog_test_run_opts(int program, _Inout_ void *options)'),
} as const;

/** enum bpf_attach_type of linux/bpf.h. */
export const AttachType = {
  CGROUP_SOCK_OPS: 3,
  SK_MSG_VERDICT: 7,
  CGROUP_INET4_CONNECT: 10,
  CGROUP_INET6_CONNECT: 11,
  CGROUP_INET4_POST_BIND: 12,
  CGROUP_INET6_POST_BIND: 13,
  UDP4_SENDMSG: 14,
  UDP6_SENDMSG: 15,
  UDP4_RECVMSG: 19,
  UDP6_RECVMSG: 20,
  TRACE_ITER: 28,
  CGROUP_INET4_GETPEERNAME: 29,
  CGROUP_INET6_GETPEERNAME: 30,
  SK_LOOKUP: 36,
  /** Linux 6.6, as the other way. */
  TCX_INGRESS: 46,
  TCX_EGRESS: 47,
} as const;
export type AttachType = (typeof AttachType)[keyof typeof AttachType];

/** struct bpf_link_info of linux/bpf.h: its type, and the network namespace's inode, where it is attached to one. */
const LINK_INFO_BYTES = 32;
const LINK_INFO_TARGET = 16;
const BPF_LINK_TYPE_NETNS = 5;

/** Before all others of the same place. */
const BPF_F_BEFORE = 8;

/** Lines kept of what libbpf says, the verifier's log among them; shown when loading fails. */
const MESSAGES_KEPT = 80;
const MESSAGE_BYTES = 64 * 1024;
const messages: string[] = [];
const print = koffi.register((_level: number, format: string, values: unknown) => {
  const text = Buffer.alloc(MESSAGE_BYTES);
  const length = libc.vsnprintf(text, text.length, format, values) as number;
  messages.push(text.toString('latin1', 0, Math.min(Math.max(length, 0), text.length - 1)).trimEnd());
  if (messages.length > MESSAGES_KEPT) messages.splice(0, messages.length - MESSAGES_KEPT);
  return 0;
}, koffi.pointer(printFunction));
libbpf.setPrint(print);

/** A program's attachment. It ends with the last descriptor, unless it is pinned. */
export class BpfLink implements Disposable {
  readonly #descriptor: FileDescriptor;

  constructor(descriptor: FileDescriptor) {
    this.#descriptor = descriptor;
  }

  /** Valid while the link is held. */
  get fd(): number {
    return this.#descriptor.number;
  }

  /** Finds a pinned link; undefined where nothing is pinned. @throws SystemCallError */
  static pinned(path: string): BpfLink | undefined {
    const fd = libbpf.get(path) as number;
    if (fd === -errnoOf('ENOENT')) return undefined;
    return new BpfLink(new FileDescriptor(checkLibbpf(`open of pin ${path}`, fd)));
  }

  /** Puts a program in place of the one that a pinned link attaches; false where there is no such link, or what it was attached to is gone. @throws SystemCallError */
  static takeOver(path: string, program: BpfProgram): boolean {
    using pinned = BpfLink.pinned(path);
    if (pinned === undefined) return false;
    try {
      pinned.update(program);
      return true;
    } catch (thrown) {
      if (!(thrown instanceof SystemCallError) || thrown.errno !== 'ENOLINK') throw thrown;
      // Of a cgroup, namespace or interface that is gone; its successor may have the same name.
      rmSync(path, { force: true });
      return false;
    }
  }

  /** Ends the attachment of a pinned link, and removes the pin; nothing where there is none. @throws SystemCallError */
  static end(path: string): void {
    using link = BpfLink.pinned(path);
    // At once: of a link that nobody holds any more the kernel takes its leave later, and whoever is there meanwhile meets the program.
    link?.detach();
    rmSync(path, { force: true });
  }

  pin(path: string): void {
    checkLibbpf(`pin ${path}`, libbpf.pin(this.#descriptor.number, path));
  }

  /** Puts another program in place of the attached one, atomically. @throws SystemCallError `ENOLINK` where the target is gone */
  update(program: BpfProgram): void {
    checkLibbpf('link update', libbpf.linkUpdate(this.#descriptor.number, program.fd, null));
  }

  /** Inode of the network namespace that it is attached to; undefined where that is gone, or it is attached to something else. @throws SystemCallError */
  namespaceInode(): number | undefined {
    const info = Buffer.alloc(LINK_INFO_BYTES);
    checkLibbpf('link info', libbpf.objectInfo(this.#descriptor.number, info, [info.length]));
    const inode = info.readUInt32LE(LINK_INFO_TARGET);
    return info.readUInt32LE() !== BPF_LINK_TYPE_NETNS || inode === 0 ? undefined : inode;
  }

  /** Ends the attachment now, whoever holds the link. @throws SystemCallError */
  detach(): void {
    const result = libbpf.linkDetach(this.#descriptor.number) as number;
    // What it was attached to is gone already.
    if (result !== -errnoOf('ENOLINK') && result !== -errnoOf('ENODEV')) checkLibbpf('link detach', result);
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

export class BpfProgram {
  readonly fd: number;
  readonly #name: string;

  constructor(fd: number, name: string) {
    this.fd = fd;
    this.#name = name;
  }

  attach(target: FileDescriptor, type: AttachType): BpfLink {
    return new BpfLink(new FileDescriptor(checkLibbpf(`attach ${this.#name}`, libbpf.linkCreate(this.fd, target.number, type, null))));
  }

  /** To an interface of the namespace that this thread is in, before whatever is attached there. @throws SystemCallError `EINVAL` where the kernel has no such place */
  attachToInterface(index: number, type: AttachType): BpfLink {
    // struct bpf_link_create_opts begins with its size and flags; everything else stays zero.
    const options = Buffer.alloc(16);
    options.writeBigUInt64LE(BigInt(options.length), 0);
    options.writeUInt32LE(BPF_F_BEFORE, 8);
    return new BpfLink(new FileDescriptor(checkLibbpf(`attach ${this.#name}`, libbpf.linkCreate(this.fd, index, type, options))));
  }

  /** To the sockets in a map, those that come later among them, for as long as the map lives. @throws SystemCallError */
  attachToSockets(map: BpfMap, type: AttachType): void {
    checkLibbpf(`attach ${this.#name}`, libbpf.progAttach(this.fd, map.fd, type, 0) as number);
  }

  /** As what looks at each element of a map; see bpf-iterator.ts. @throws SystemCallError */
  attachToIterator(map: BpfMap): BpfLink {
    // union bpf_iter_link_info begins with the map.
    const target = nativeMemory(4);
    target.bytes.writeUInt32LE(map.fd);
    // struct bpf_link_create_opts: size, flags, iter_info, iter_info_len; everything else stays zero.
    const options = Buffer.alloc(32);
    options.writeBigUInt64LE(BigInt(options.length), 0);
    options.writeBigUInt64LE(BigInt(target.address), 16);
    options.writeUInt32LE(target.bytes.length, 24);
    return new BpfLink(new FileDescriptor(checkLibbpf(`attach ${this.#name}`, libbpf.linkCreate(this.fd, 0, AttachType.TRACE_ITER, options) as number)));
  }

  /** Runs a program of type `syscall` once, in this process' context. */
  runOnce(): void {
    // struct bpf_test_run_opts begins with its size; everything else stays zero.
    const options = Buffer.alloc(80);
    options.writeBigUInt64LE(BigInt(options.length), 0);
    checkLibbpf(`run ${this.#name}`, libbpf.testRun(this.fd, options));
  }
}

/** Values that an element of a per-CPU map has, each padded to 8 bytes. @throws SystemCallError */
export const possibleCpus = (): number => checkLibbpf('number of processors', libbpf.possibleCpus() as number);

/** A compiled BPF object file: opened, then loaded into the kernel. */
export class BpfObject implements Disposable {
  readonly #object: Pointer;

  private constructor(object: Pointer) {
    this.#object = object;
  }

  /** @throws SystemCallError where the file is missing or is no BPF object */
  static open(path: string): BpfObject {
    return new BpfObject(checkPointer(`open of BPF object ${path}`, libbpf.openFile(path, null) as Pointer | null));
  }

  /** Before {@link load}: the map is taken from this pin, or pinned there when it is made. */
  pinMap(name: string, path: string): void {
    checkLibbpf(`pin path of map ${name}`, libbpf.setPinPath(this.#map(name), path));
  }

  /** @throws LandbridgeError `bpf-load` with the last lines of the verifier's log */
  load(): void {
    messages.length = 0;
    const result = libbpf.load(this.#object) as number;
    if (result < 0) {
      const cause = new SystemCallError('load of BPF object', -result);
      throw new LandbridgeError('bpf-load', `${cause.message}\n${messages.slice(-40).join('\n')}`, { cause, hint: 'Linux 6.1 or newer with BPF is needed, and CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN.' });
    }
  }

  program(name: string): BpfProgram {
    return new BpfProgram(libbpf.programFd(checkPointer(`program ${name}`, libbpf.findProgram(this.#object, name) as Pointer | null)) as number, name);
  }

  /** A view of a map; valid while the object is. */
  map(name: string, valueBytes: number): BpfMap {
    return new BpfMap(libbpf.mapFd(this.#map(name)) as number, name, valueBytes);
  }

  #map(name: string): Pointer {
    return checkPointer(`map ${name}`, libbpf.findMap(this.#object, name) as Pointer | null);
  }

  [Symbol.dispose](): void {
    libbpf.close(this.#object);
  }
}
