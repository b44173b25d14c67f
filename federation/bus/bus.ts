/** The bus between clusters: one key-value bucket that every member reads and of which each writes its own part. */

/** Name of the bucket; JetStream's stream is `KV_<bucket>`, the subject of a key `$KV.<bucket>.<key>`. */
export const BUCKET = 'fed';

export type BusEvent =
  | { readonly kind: 'entry'; readonly key: string; readonly value: Uint8Array; readonly revision: number }
  /** All entries that were there when the watch began have been delivered. Comes again after each `restart`. */
  | { readonly kind: 'current' }
  /** The bucket is another one than before, or lost writes. Its entries follow from the first one on. */
  | { readonly kind: 'restart' };

export type BusState =
  | { readonly kind: 'connecting'; readonly since: number; readonly lastError?: string; /** The hub is there, and does not let this user in. */ readonly isRefused?: boolean }
  | { readonly kind: 'connected'; readonly url: string; readonly since: number; /** Of the server, as it says itself. */ readonly version?: string }
  | { readonly kind: 'closed' };

export interface Bus extends AsyncDisposable {
  state(): BusState;
  /** Undefined when the key is not there. Waits for the connection. Rejects with the signal's reason, or a retryable LandbridgeError. */
  get(key: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Resolves when the bus has stored the value. Waits for the connection. Rejects with the signal's reason, or a retryable LandbridgeError. */
  put(key: string, value: Uint8Array, signal: AbortSignal): Promise<void>;
  /**
   * Entries now there, then `current`, then changes, for ever. Only the last value of a key is certain to come. Deletions are not told:
   * nobody signs them. Survives the connection and the bucket. Ends, without an error, when the signal is aborted or the bus closed.
   * @param filter a key in which `*` stands for one token and a last `>` for one or more
   */
  watch(filter: string, signal: AbortSignal): AsyncIterable<BusEvent>;
}

/** `<cluster>.<record key>`; the cluster is `members` for a member record. */
export interface BusKey {
  readonly cluster: string;
  readonly recordKey: string;
}

export function busKey(cluster: string, recordKey: string): string {
  return `${cluster}.${recordKey}`;
}

export function splitBusKey(key: string): BusKey | undefined {
  const dot = key.indexOf('.');
  if (dot <= 0 || dot === key.length - 1) return undefined;
  return { cluster: key.slice(0, dot), recordKey: key.slice(dot + 1) };
}

/** First token of the keys of member records. */
export const MEMBERS = 'members';
