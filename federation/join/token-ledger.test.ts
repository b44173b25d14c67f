import test from 'ava';
import fc from 'fast-check';
import { exampleToken } from './example-token.ts';
import { makeUserKeys } from './hub-users.ts';
import { decideUse, hashCode, type Use, withRedemption, withToken } from './token-ledger.ts';
import { tokenStoreContract } from './token-store.contract.ts';
import { encodeStoredTokens, MAX_STORED_TOKENS, makeMemoryTokenStore, parseStoredTokens, type StoredToken } from './token-store.ts';

const code = exampleToken().code;
const users = [makeUserKeys(), makeUserKeys(), makeUserKeys()].map((keys) => keys.publicKey);
const recordKeys = [1, 2, 3].map((n) => Buffer.alloc(32, n).toString('base64url'));
const stored = (changes: Partial<StoredToken> = {}): StoredToken => ({ codeHash: hashCode(code), cluster: 'west', expiresAt: 1000, uses: 1, redemptions: [], ...changes });

tokenStoreContract(test, 'memory', async () => makeMemoryTokenStore(), 1000);

test('whatever is asked in whatever order, a token is granted to at most as many joiners as it has uses', (t) => {
  const uses = fc.array(fc.record({ joiner: fc.nat({ max: 2 }), cluster: fc.constantFrom('west', 'north'), at: fc.integer({ min: 0, max: 1_100_000 }), known: fc.boolean() }), { maxLength: 20 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 }), uses, (allowed, asked) => {
      let tokens: readonly StoredToken[] = [stored({ uses: allowed })];
      const granted = new Set<number>();
      for (const { joiner, cluster, at, known } of asked) {
        const use: Use = { code: known ? code : recordKeys[0] as string, cluster, recordPublicKey: recordKeys[joiner] as string, userPublicKey: users[joiner] as string };
        const decision = decideUse(tokens, use, at);
        if (decision.kind === 'refused') continue;
        if (!known || cluster !== 'west' || at >= 1_000_000) return false;
        if (decision.kind === 'repeated') {
          if (!granted.has(joiner)) return false;
          continue;
        }
        granted.add(joiner);
        tokens = withRedemption(tokens, decision.codeHash, { recordPublicKey: use.recordPublicKey, userPublicKey: use.userPublicKey, userJwt: 'a.b.c', at });
      }
      return granted.size <= allowed;
    }),
  );
  t.pass();
});

test('tokens that expired long ago are forgotten, others are kept', (t) => {
  const day = 86_400;
  const tokens = [stored({ cluster: 'old', expiresAt: 1 }), stored({ cluster: 'expired', expiresAt: day }), stored({ cluster: 'live', expiresAt: 3 * day })];
  const added = withToken(tokens, stored({ cluster: 'new', expiresAt: 3 * day }), (day + 2) * 1000);
  t.deepEqual(added.ok && added.value.map(({ cluster }) => cluster), ['expired', 'live', 'new']);
});

test('expired tokens make room, live ones do not', (t) => {
  const full = Array.from({ length: MAX_STORED_TOKENS }, (_, index) => stored({ expiresAt: 1000 + index }));
  const added = withToken(full, stored({ cluster: 'new', expiresAt: 5000 }), 1002 * 1000);
  t.true(added.ok && added.value.length === MAX_STORED_TOKENS && added.value[0]?.expiresAt === 1001);
  const refused = withToken(full, stored(), 0);
  t.is(!refused.ok && refused.error.code, 'too-many-tokens');
});

test('stored tokens are read back, and any text has an answer', (t) => {
  const tokens = [stored({ redemptions: [{ recordPublicKey: recordKeys[0] as string, userPublicKey: users[0] as string, userJwt: 'a.b.c', at: 5 }] })];
  t.deepEqual(parseStoredTokens(encodeStoredTokens(tokens)), { ok: true, value: tokens });
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => !parseStoredTokens(text).ok));
});

test('a save over a state that is no longer current conflicts', async (t) => {
  const store = makeMemoryTokenStore();
  const signal = new AbortController().signal;
  const state = await store.load(signal);
  await store.save({ ...state, tokens: [stored()] }, signal);
  await t.throwsAsync(store.save(state, signal), { code: 'conflict' } as never);
  t.is((await store.load(signal)).tokens.length, 1);
});
