import { existsSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { ACCELERATED_POD, acceleratedPodKey, SOCKET_BYTES } from '@landbridge/ebpf/acceleration-layout.ts';
import { ACCELERATION_OBJECT } from '@landbridge/ebpf/acceleration-object.ts';
import { maps } from '@landbridge/ebpf/acceleration-skeleton.ts';
import type { BpfMap } from '@landbridge/native/bpf-map.ts';
import { AttachType, BpfObject } from '@landbridge/native/libbpf.ts';
import { openForReading } from '@landbridge/native/libc.ts';

/** What the kernel says of the types of its own structures, by which the programs find their fields (CONFIG_DEBUG_INFO_BTF). */
const KERNEL_TYPES = '/sys/kernel/btf/vmlinux';

/** What a data thread needs to join two applications: descriptors, for as long as a pod is accelerated. */
export interface AccelerationHandles {
  /** Of maps. */
  readonly sockets: number;
  readonly directions: number;
  /** Of the link of an iterator. */
  readonly readers: number;
}

/**
 * The kernel's half of acceleration: bytes of joined applications go from socket to socket. Nothing of it is pinned. It
 * ends with the agent, as the connections do that it carries.
 */
export class Acceleration implements Disposable {
  readonly #attached = new DisposableStack();
  readonly #pods: BpfMap;
  readonly handles: AccelerationHandles;

  /** `cgroupRoot`: of cgroup2, with all pods below it. @throws LandbridgeError `acceleration-unfit`, SystemCallError */
  constructor(cgroupRoot: string) {
    const object = this.#attached.use(BpfObject.open(ACCELERATION_OBJECT));
    try {
      load(object);
      const sockets = object.map('sockets', SOCKET_BYTES);
      this.#pods = object.map('accelerated_pods', maps.accelerated_pods.valueBytes);
      const readers = this.#attached.use(object.program('lb_readers').attachToIterator(sockets));
      object.program('lb_message').attachToSockets(sockets, AttachType.SK_MSG_VERDICT);
      using cgroup = openForReading(cgroupRoot);
      this.#attached.use(object.program('lb_joinable').attach(cgroup, AttachType.CGROUP_SOCK_OPS));
      this.handles = { sockets: sockets.fd, directions: object.map('directions', maps.directions.valueBytes).fd, readers: readers.fd };
    } catch (thrown) {
      this.#attached.dispose();
      throw thrown;
    }
  }

  /** Connections of a pod that begin from now on can be joined. @throws SystemCallError */
  admit(netnsCookie: bigint): void {
    this.#pods.set(acceleratedPodKey(netnsCookie), ACCELERATED_POD);
  }

  /** Those that are joined stay so until they end. @throws SystemCallError */
  dismiss(netnsCookie: bigint): void {
    this.#pods.delete(acceleratedPodKey(netnsCookie));
  }

  [Symbol.dispose](): void {
    this.#attached.dispose();
  }
}

function load(object: BpfObject): void {
  try {
    object.load();
  } catch (thrown) {
    const why = existsSync(KERNEL_TYPES) ? 'it does not load the programs' : `it has no ${KERNEL_TYPES} (CONFIG_DEBUG_INFO_BTF)`;
    throw new LandbridgeError('acceleration-unfit', `this kernel can not accelerate connections: ${why}: ${LandbridgeError.from(thrown).message}`, { cause: thrown, hint: 'Remove the label landbridge.dev/acceleration; everything else works without.' });
  }
}
