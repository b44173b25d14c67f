import type { PodPlace } from '@landbridge/agent/capture/capture.ts';
import type { PlannedPod } from './mesh-plan.ts';
import { type Place, type Program, runProgram, startProgram } from './program.ts';

/** A network namespace with a link to its node's bridge, as a CNI makes it, and a control group for what runs in it. */
export class MeshPod {
  readonly name: string;
  readonly address: string;
  readonly address6: string;
  /** Those of its families. */
  readonly addresses: readonly string[];
  readonly netns: string;
  readonly #place: Place;
  readonly #outside: Place;

  /** `outsideGroup`: a control group that no program of the agent is attached to. */
  constructor(plan: PlannedPod, place: Place, outsideGroup: string) {
    this.name = plan.name;
    this.address = plan.address;
    this.address6 = plan.address6;
    this.addresses = plan.families.map((family) => (family === 'IPv4' ? plan.address : plan.address6));
    this.netns = place.netns;
    this.#place = place;
    this.#outside = { ...place, group: outsideGroup };
  }

  /** As the agent is told of it. */
  get place(): PodPlace {
    return { uid: `uid-${this.name}`, addresses: this.addresses, namespacePath: `/run/netns/${this.netns}` };
  }

  /** Runs a program in the pod to its end and returns what it wrote. */
  async run(argv: readonly string[]): Promise<string> {
    return await runProgram(this.#place, argv);
  }

  /** As {@link run}, in the pod's network and out of its control group: no program that sees its connects is attached there. */
  async runOutside(argv: readonly string[]): Promise<string> {
    return await runProgram(this.#outside, argv);
  }

  /** Starts a program in the pod and waits for its first line. */
  async start(argv: readonly string[]): Promise<Program> {
    return await startProgram(this.#place, argv);
  }
}
