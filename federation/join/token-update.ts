import { type RetryTimes, retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { isConflict } from '../kubernetes/secret-store.ts';
import type { StoredToken, TokenStore } from './token-store.ts';

/** How often a save is tried again when others save too. */
const ATTEMPTS = 10;
const RETRY: RetryTimes = { firstMs: 20, mostMs: 500 };

/** Loads, changes and saves; when someone else saved in between, decides anew on what they saved. The same tokens are not saved. */
export async function updateTokens(store: TokenStore, signal: AbortSignal, change: (tokens: readonly StoredToken[]) => readonly StoredToken[], retry = RETRY): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const state = await store.load(signal);
    const tokens = change(state.tokens);
    if (tokens === state.tokens) return;
    try {
      return await store.save({ version: state.version, tokens }, signal);
    } catch (thrown) {
      if (!isConflict(thrown) || attempt === ATTEMPTS) throw thrown;
      await waitFor(retryDelay(attempt, retry), signal);
      signal.throwIfAborted();
    }
  }
}
