import { readdirSync } from 'node:fs';
import path from 'node:path';
import { attachClassifier, detachClassifier } from '@landbridge/native/classifier.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { AttachType, BpfLink, type BpfProgram } from '@landbridge/native/libbpf.ts';
import { LOOPBACK_INDEX, networkInterfacesHere } from '@landbridge/native/network-interfaces.ts';
import { inNetworkNamespace } from '@landbridge/native/network-namespace.ts';

/** What a kernel before 6.6 says to a kind of attachment that it does not know. */
const UNKNOWN_TYPE = 'EINVAL';

export type GuardKind = 'tcx' | 'clsact';

/**
 * Lets TCP connections out of captured pods only where the agent begins them: whatever goes around `connect()` does not
 * get out. Stays when the agent dies, like all of the capture: by pins with tcx, with the interface itself by a classifier.
 */
export class EgressGuard {
  readonly #program: BpfProgram;
  readonly #pins: string;
  #kind: GuardKind;

  /** `pins`: a directory of its own in a bpf file system. `kind`: `clsact` on kernels that have no tcx, which is found out otherwise. */
  constructor(program: BpfProgram, pins: string, kind: GuardKind = 'tcx') {
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

  #detach(isMeant: (uid: string) => boolean): void {
    for (const name of readdirSync(this.#pins)) {
      if (isMeant(uidOf(name))) BpfLink.end(path.join(this.#pins, name));
    }
  }

  #attach(index: number, pin: string): void {
    if (this.#kind === 'clsact') return attachClassifier(index, this.#program.fd);
    if (BpfLink.takeOver(pin, this.#program)) return;
    try {
      using link = this.#program.attachToInterface(index, AttachType.TCX_EGRESS);
      link.pin(pin);
    } catch (thrown) {
      if (!(thrown instanceof SystemCallError) || thrown.errno !== UNKNOWN_TYPE) throw thrown;
      this.#kind = 'clsact';
      attachClassifier(index, this.#program.fd);
    }
  }
}

/** Calls for each interface by which packets leave a namespace, within it. */
function atWaysOut(namespace: number, work: (index: number) => void): void {
  inNetworkNamespace(namespace, () => {
    for (const { index } of networkInterfacesHere()) if (index !== LOOPBACK_INDEX) work(index);
  });
}

const uidOf = (pin: string): string => pin.slice(0, pin.lastIndexOf('@'));
