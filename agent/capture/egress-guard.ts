import { readdirSync } from 'node:fs';
import path from 'node:path';
import { attachClassifier, detachClassifier } from '@landbridge/native/classifier.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { AttachType, BpfLink, type BpfProgram } from '@landbridge/native/libbpf.ts';
import { LOOPBACK_INDEX, networkInterfacesHere } from '@landbridge/native/network-interfaces.ts';
import { findNetworkNamespace, inNetworkNamespace } from '@landbridge/native/network-namespace.ts';

/** What a kernel before 6.6 says to a kind of attachment that it does not know; of one that it knows it looks for the interface. */
const UNKNOWN_TYPE = 'EINVAL';
const NO_INTERFACE = 0;

export type GuardKind = 'tcx' | 'clsact';

/**
 * Lets TCP connections out of captured pods only where the agent begins them: whatever goes around `connect()` does not
 * get out. Stays when the agent dies, like all of the capture: by pins with tcx, with the interface itself by a classifier.
 */
export class EgressGuard {
  readonly #program: BpfProgram;
  readonly #pins: string;
  readonly #kind: GuardKind;

  /** `pins`: a directory of its own in a bpf file system. `kind`: default as the kernel can. */
  constructor(program: BpfProgram, pins: string, kind: GuardKind = guardOfKernel(program)) {
    this.#program = program;
    this.#pins = pins;
    this.#kind = kind;
  }

  /** Guards all interfaces of a namespace, those that came since the last time among them. @throws SystemCallError */
  install(namespace: number, uid: string): void {
    atWaysOut(namespace, (index) => this.#attach(index, path.join(this.#pins, `${uid}@${index}`)));
  }

  /** Ends the guard of a namespace that lives on. @throws SystemCallError */
  remove(namespace: number, uid: string): void {
    this.forget(uid);
    if (this.#kind === 'clsact') atWaysOut(namespace, detachClassifier);
  }

  /** Removes the pins of a pod: what tcx has attached ends with them. */
  forget(uid: string): void {
    this.#detach((of) => of === uid);
  }

  /** Removes the pins of all other pods. */
  forgetAllBut(uids: ReadonlySet<string>): void {
    this.#detach((uid) => !uids.has(uid));
  }

  /** A classifier has no pin to end it by: it is looked for where the pod still lives. `inode`: of its network namespace. @throws SystemCallError */
  endClassifiers(inode: number): void {
    if (this.#kind !== 'clsact') return;
    using namespace = findNetworkNamespace(inode);
    // Of a namespace without a process nothing leaves.
    if (namespace !== undefined) atWaysOut(namespace.number, detachClassifier);
  }

  #detach(isMeant: (uid: string) => boolean): void {
    for (const name of readdirSync(this.#pins)) {
      if (isMeant(uidOf(name))) BpfLink.end(path.join(this.#pins, name));
    }
  }

  #attach(index: number, pin: string): void {
    if (this.#kind === 'clsact') return attachClassifier(index, this.#program.fd);
    if (BpfLink.takeOver(pin, this.#program)) return;
    using link = this.#program.attachToInterface(index, AttachType.TCX_EGRESS);
    link.pin(pin);
  }
}

/** What the running kernel has to guard with. @throws SystemCallError */
export function guardOfKernel(program: BpfProgram): GuardKind {
  try {
    using _link = program.attachToInterface(NO_INTERFACE, AttachType.TCX_EGRESS);
    return 'tcx';
  } catch (thrown) {
    if (!(thrown instanceof SystemCallError)) throw thrown;
    return thrown.errno === UNKNOWN_TYPE ? 'clsact' : 'tcx';
  }
}

/** Calls for each interface by which packets leave a namespace, within it. */
function atWaysOut(namespace: number, work: (index: number) => void): void {
  inNetworkNamespace(namespace, () => {
    for (const { index } of networkInterfacesHere()) if (index !== LOOPBACK_INDEX) work(index);
  });
}

const uidOf = (pin: string): string => pin.slice(0, pin.lastIndexOf('@'));
