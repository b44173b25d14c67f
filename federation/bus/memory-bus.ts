import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Bus, BusEvent, BusState } from './bus.ts';
import { keyMatches } from './key-filter.ts';

/** A bus within the process, for tests. */
export interface MemoryBus extends Bus {
  /** Forgets every entry, as a hub whose store was wiped. */
  loseBucket(): void;
  /** Forgets one entry without a word, as a server with a damaged store. */
  lose(key: string): void;
  /** From now on puts fail until given undefined. */
  failPuts(error: Error | undefined): void;
  keys(): readonly string[];
}

interface Stored {
  readonly value: Uint8Array;
  readonly revision: number;
}

/** What a watcher has not read yet. Holds a key once, so it is never larger than the bucket. */
interface Watcher {
  readonly filter: string;
  restart: boolean;
  current: boolean;
  readonly unread: Set<string>;
  wake: () => void;
}

export function makeMemoryBus(): MemoryBus {
  const entries = new Map<string, Stored>();
  const watchers = new Set<Watcher>();
  const since = Date.now();
  let revision = 0;
  let closed = false;
  let putFailure: Error | undefined;

  function checkOpen(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (closed) throw new LandbridgeError('bus-closed', 'the bus is closed');
  }

  async function* watch(filter: string, signal: AbortSignal): AsyncGenerator<BusEvent> {
    const matching = [...entries.keys()].filter((key) => keyMatches(filter, key));
    const watcher: Watcher = { filter, restart: false, current: true, unread: new Set(matching), wake: () => undefined };
    watchers.add(watcher);
    const onAbort = (): void => watcher.wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted && !closed) {
        const event = nextEvent(watcher);
        if (event !== undefined) yield event;
        else
          await new Promise<void>((resolve) => {
            watcher.wake = resolve;
          });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      watchers.delete(watcher);
    }
  }

  function nextEvent(watcher: Watcher): BusEvent | undefined {
    if (watcher.restart) {
      watcher.restart = false;
      return { kind: 'restart' };
    }
    for (const key of watcher.unread) {
      watcher.unread.delete(key);
      const stored = entries.get(key);
      if (stored !== undefined) return { kind: 'entry', key, value: stored.value, revision: stored.revision };
    }
    if (!watcher.current) return undefined;
    watcher.current = false;
    return { kind: 'current' };
  }

  return {
    state: (): BusState => (closed ? { kind: 'closed' } : { kind: 'connected', url: 'memory:', since }),
    async get(key, signal) {
      checkOpen(signal);
      return entries.get(key)?.value;
    },
    async put(key, value, signal) {
      checkOpen(signal);
      // Gives way once, as a real bus would: callers must not rely on the value being there at once.
      await Promise.resolve();
      checkOpen(signal);
      if (putFailure !== undefined) throw putFailure;
      entries.set(key, { value: Uint8Array.from(value), revision: ++revision });
      for (const watcher of watchers) {
        if (!keyMatches(watcher.filter, key)) continue;
        watcher.unread.delete(key);
        watcher.unread.add(key);
        watcher.wake();
      }
    },
    watch: (filter, signal) => ({ [Symbol.asyncIterator]: () => watch(filter, signal) }),
    keys: () => [...entries.keys()].sort(),
    failPuts(error) {
      putFailure = error;
    },
    lose: (key) => void entries.delete(key),
    loseBucket() {
      entries.clear();
      for (const watcher of watchers) {
        watcher.unread.clear();
        watcher.restart = true;
        watcher.current = true;
        watcher.wake();
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const watcher of watchers) watcher.wake();
    },
  };
}
