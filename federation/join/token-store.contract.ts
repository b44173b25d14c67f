/** What every store of join tokens does; run against each kind of it. */
import type { SerialFn, TestFn } from 'ava';
import { exampleToken } from './example-token.ts';
import { makeUserKeys } from './hub-users.ts';
import { decideUse, hashCode, withRedemption } from './token-ledger.ts';
import type { StoredToken, TokenStore } from './token-store.ts';
import { updateTokens } from './token-update.ts';

const users = [makeUserKeys(), makeUserKeys()].map(({ publicKey }) => publicKey);

export function tokenStoreContract(test: TestFn | SerialFn, name: string, open: () => Promise<TokenStore>, tries: number): void {
  test(`${name}: of two that redeem a token at once exactly one wins, ${tries} times`, async (t) => {
    t.timeout(300_000);
    const store = await open();
    const signal = AbortSignal.timeout(300_000);
    const code = exampleToken().code;
    const codeHash = hashCode(code);
    const fresh: StoredToken = { codeHash, cluster: 'west', expiresAt: 1000, uses: 1, redemptions: [] };
    const redeem = async (joiner: number): Promise<boolean> => {
      const keys = { recordPublicKey: Buffer.alloc(32, joiner).toString('base64url'), userPublicKey: users[joiner] as string };
      let isGranted = false;
      await updateTokens(store, signal, (tokens) => {
        const decision = decideUse(tokens, { code, cluster: 'west', ...keys }, 0);
        isGranted = decision.kind === 'first-use';
        return isGranted ? withRedemption(tokens, codeHash, { ...keys, userJwt: 'a.b.c', at: 0 }) : tokens;
      }, { firstMs: 1, mostMs: 5 });
      return isGranted;
    };
    const wins = [0, 0];
    for (let n = 0; n < tries; n++) {
      await updateTokens(store, signal, () => [fresh]);
      const granted = await Promise.all([0, 1].map(redeem));
      if (granted.filter((isGranted) => isGranted).length !== 1) return t.fail(`try ${n}: ${JSON.stringify(granted)}`);
      wins[granted.indexOf(true)] = (wins[granted.indexOf(true)] ?? 0) + 1;
    }
    t.log(`the first won ${wins[0]} times, the second ${wins[1]}`);
    t.is((wins[0] ?? 0) + (wins[1] ?? 0), tries);
  });
}
