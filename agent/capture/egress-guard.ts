import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { attachClassifier, detachClassifier } from '@landbridge/native/classifier.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { AttachType, BpfLink, type BpfProgram } from '@landbridge/native/libbpf.ts';
import { networkInterfacesHere } from '@landbridge/native/network-interfaces.ts';
import { inNetworkNamespace } from '@landbridge/native/network-namespace.ts';

const LOOPBACK_INDEX = 1;
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

  get kind(): GuardKind {
    return this.#kind;
  }

  /** Guards all interfaces of a namespace, those that came since the last time among them. @throws SystemCallError */
  install(namespace: number, uid: string): void {
    inNetworkNamespace(namespace, () => {
      for (const { index } of networkInterfacesHere()) if (index !== LOOPBACK_INDEX) this.#attach(index, this.#pin(uid, index));
    });
  }

  /** Ends the guard of a namespace that lives on. @throws SystemCallError */
  remove(namespace: number, uid: string): void {
    this.forget(uid);
    if (this.#kind === 'tcx') return;
    inNetworkNamespace(namespace, () => {
      for (const { index } of networkInterfacesHere()) if (index !== LOOPBACK_INDEX) detachClassifier(index);
    });
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

  #pin(uid: string, index: number): string {
    return path.join(this.#pins, `${uid}@${index}`);
  }

  #attach(index: number, pin: string): void {
    if (this.#kind === 'clsact') return attachClassifier(index, this.#program.fd);
    using pinned = BpfLink.pinned(pin);
    if (pinned !== undefined) {
      try {
        pinned.update(this.#program);
        return;
      } catch (thrown) {
        // The interface that the link was for is gone, and another one has its number.
        if (!(thrown instanceof SystemCallError) || thrown.errno !== 'ENOLINK') throw thrown;
        rmSync(pin, { force: true });
      }
    }
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

const uidOf = (pin: string): string => pin.slice(0, pin.lastIndexOf('@'));
