import { readdirSync } from 'node:fs';
import path from 'node:path';
import { attachClassifier, detachClassifier, type Direction } from '@landbridge/native/classifier.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { AttachType, BpfLink, type BpfProgram } from '@landbridge/native/libbpf.ts';
import { LOOPBACK_INDEX, networkInterfacesHere } from '@landbridge/native/network-interfaces.ts';
import { inNetworkNamespace } from '@landbridge/native/network-namespace.ts';

/** What a kernel before 6.6 says to a kind of attachment that it does not know; of one that it knows it looks for the interface. */
const UNKNOWN_TYPE = 'EINVAL';
const NO_INTERFACE = 0;

const TCX: Readonly<Record<Direction, AttachType>> = { ingress: AttachType.TCX_INGRESS, egress: AttachType.TCX_EGRESS };

export type InterfaceHook = 'tcx' | 'clsact';

/**
 * A program that sees all packets into captured pods, or out of them. Stays when the agent dies, like all of the
 * capture: by pins with tcx, with the interface itself by a classifier.
 */
export class InterfaceProgram {
  readonly #program: BpfProgram;
  readonly #direction: Direction;
  readonly #pins: string;
  readonly #hook: InterfaceHook;

  /** `pins`: a directory of its own in a bpf file system. */
  constructor(program: BpfProgram, direction: Direction, pins: string, hook: InterfaceHook) {
    this.#program = program;
    this.#direction = direction;
    this.#pins = pins;
    this.#hook = hook;
  }

  /** On all interfaces of a namespace, those that came since the last time among them. @throws SystemCallError */
  install(namespace: number, uid: string): void {
    atInterfaces(namespace, (index) => this.#attach(index, path.join(this.#pins, `${uid}@${index}`)));
  }

  /** From a namespace that lives on. @throws SystemCallError */
  remove(namespace: number, uid: string): void {
    this.forget(uid);
    if (this.#hook === 'clsact') atInterfaces(namespace, (index) => detachClassifier(index, this.#direction));
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
    if (this.#hook === 'clsact') return attachClassifier(index, this.#direction, this.#program.fd);
    if (BpfLink.takeOver(pin, this.#program)) return;
    using link = this.#program.attachToInterface(index, TCX[this.#direction]);
    link.pin(pin);
  }
}

/** What the running kernel has: found out by any program that can be attached to interfaces. @throws SystemCallError */
export function hookOfKernel(program: BpfProgram): InterfaceHook {
  try {
    using _link = program.attachToInterface(NO_INTERFACE, AttachType.TCX_EGRESS);
    return 'tcx';
  } catch (thrown) {
    if (!(thrown instanceof SystemCallError)) throw thrown;
    return thrown.errno === UNKNOWN_TYPE ? 'clsact' : 'tcx';
  }
}

/** Calls for each interface that leads out of a namespace, within it. */
function atInterfaces(namespace: number, work: (index: number) => void): void {
  inNetworkNamespace(namespace, () => {
    for (const { index } of networkInterfacesHere()) if (index !== LOOPBACK_INDEX) work(index);
  });
}

const uidOf = (pin: string): string => pin.slice(0, pin.lastIndexOf('@'));
