import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { Logger } from 'pino';
import { type ApiServerClient, ApiServerError } from '@landbridge/kubernetes/api-server-client.ts';
import { Reflector } from '@landbridge/kubernetes/reflector.ts';

const NOT_FOUND = 404;
/** An agent that ends has not much time. */
const ANSWER_MS = 3000;

interface DaemonSetFacts {
  readonly name: string;
  readonly isDeleted: boolean;
}

/**
 * Tells an agent that is uninstalled from one that only stops. The rights to ask go together with the DaemonSet, and
 * mostly before its pods: so it is watched.
 */
export class OwnDaemonSet {
  readonly #client: ApiServerClient;
  readonly #path: string;
  readonly #daemonSets: Reflector<DaemonSetFacts>;
  #wasThere = false;

  constructor(client: ApiServerClient, { namespace, name }: { readonly namespace: string; readonly name: string }, log: Logger) {
    const path = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/daemonsets`;
    this.#client = client;
    this.#path = `${path}/${encodeURIComponent(name)}`;
    this.#daemonSets = new Reflector(client, { path, query: { fieldSelector: `metadata.name=${name}` }, parse: parseDaemonSet, keyOf: (found) => found.name }, log);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#daemonSets.run(() => {
      this.#wasThere ||= this.#isThere();
    }, signal);
  }

  /** Whether it was there and is deleted, or about to be. What can not be found out is no. */
  async isGone(): Promise<boolean> {
    if (!this.#wasThere) return false;
    try {
      const found = parseDaemonSet(await this.#client.get(this.#path, AbortSignal.timeout(ANSWER_MS)));
      return found.ok && found.value.isDeleted;
    } catch (thrown) {
      if (thrown instanceof ApiServerError && thrown.status === NOT_FOUND) return true;
      return !this.#isThere();
    }
  }

  #isThere(): boolean {
    return [...this.#daemonSets.objects.values()].some(({ isDeleted }) => !isDeleted);
  }
}

function parseDaemonSet(value: unknown): Result<DaemonSetFacts> {
  const metadata = (value as { readonly metadata?: { readonly name?: unknown; readonly deletionTimestamp?: unknown } } | null)?.metadata;
  return typeof metadata?.name === 'string' ? ok({ name: metadata.name, isDeleted: metadata.deletionTimestamp !== undefined }) : err('a DaemonSet without a name');
}
