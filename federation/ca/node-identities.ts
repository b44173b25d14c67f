import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';

/** Whose certificates an agent may ask for: those of pods on its node. */
export interface NodeIdentities {
  /** @throws LandbridgeError retryable where it can not be known at the moment */
  runsOn(node: string, identity: SpiffeId, signal: AbortSignal): Promise<boolean>;
}

export interface NodeIdentitySources {
  /** From what the API server has told so far. */
  readonly known: (node: string) => ReadonlySet<SpiffeId>;
  /** Asks the API server itself for the pods of a namespace on a node. */
  readonly ask: (node: string, namespace: string, signal: AbortSignal) => Promise<ReadonlySet<SpiffeId>>;
}

/** Questions to the API server at one time; who comes beyond has to come again. */
const MAX_QUESTIONS = 16;
const QUESTION_TIMEOUT_MS = 3000;
/** An answer of no is good for so long: an agent that asks for what is not there must not have the API server asked each time. */
const DENIED_MS = 2000;
const MAX_DENIED = 1000;

/**
 * Asks what is known first, and once at the API server where it is not: the kubelet may start a pod before the watch has
 * told of it here. A pod that is gone is in neither.
 */
export class LookedUpIdentities implements NodeIdentities {
  readonly #sources: NodeIdentitySources;
  readonly #clock: () => number;
  /** By node and namespace: who asks for the same at the same time waits for one answer. */
  readonly #questions = new Map<string, Promise<ReadonlySet<SpiffeId>>>();
  readonly #denied = new Map<string, number>();

  constructor(sources: NodeIdentitySources, clock: () => number) {
    this.#sources = sources;
    this.#clock = clock;
  }

  async runsOn(node: string, identity: SpiffeId, signal: AbortSignal): Promise<boolean> {
    if (this.#sources.known(node).has(identity)) return true;
    const denial = `${node} ${identity}`;
    if ((this.#denied.get(denial) ?? 0) > this.#clock()) return false;
    const parsed = parseSpiffeId(identity);
    if (!parsed.ok) return false;
    const key = `${node} ${parsed.value.namespace}`;
    if (!this.#questions.has(key) && this.#questions.size >= MAX_QUESTIONS) throw new LandbridgeError('busy', 'too many questions to the API server at once', { retryable: true });
    const isThere = (await this.#ask(key, node, parsed.value.namespace, signal)).has(identity);
    if (!isThere) this.#deny(denial);
    return isThere;
  }

  async #ask(key: string, node: string, namespace: string, signal: AbortSignal): Promise<ReadonlySet<SpiffeId>> {
    let question = this.#questions.get(key);
    if (question === undefined) {
      // Not of the first who asks: the others wait for it too.
      question = this.#sources.ask(node, namespace, AbortSignal.timeout(QUESTION_TIMEOUT_MS)).finally(() => this.#questions.delete(key));
      this.#questions.set(key, question);
    }
    const found = await question;
    signal.throwIfAborted();
    return found;
  }

  #deny(denial: string): void {
    if (this.#denied.size >= MAX_DENIED) this.#denied.clear();
    this.#denied.set(denial, this.#clock() + DENIED_MS);
  }
}
