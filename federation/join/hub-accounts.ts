/** The operator and the accounts of a hub: who may make users of a federation, and which of them the hub does not let in any more. */
import { type Account, encodeAccount, encodeOperator, encodeUser, type OperatorLimits, type User } from '@nats-io/jwt';
import { createAccount, createOperator, createUser, fromSeed, type KeyPair } from '@nats-io/nkeys';
import type { HubAuthority, HubControl } from './credentials.ts';

/** By which further federations are added to a hub, each an account of its own. It stays with the hub: no federation service needs it. */
export interface HubOperator {
  /** Signs JWTs of accounts. */
  readonly operatorSigningSeed: string;
  /** Of the system account, whose users may do anything to all accounts. */
  readonly systemAccountSeed: string;
}

type FederationKeys = Pick<HubAuthority, 'accountPublicKey' | 'accountSigningSeed'> & { readonly control: HubControl };

export interface HubAccounts {
  readonly operatorJwt: string;
  readonly systemAccount: string;
  /** JWTs by public key, the system account's among them. */
  readonly accounts: ReadonlyMap<string, string>;
  /** Of the first federation. */
  readonly authority: FederationKeys;
  readonly operator: HubOperator;
}

/** Of nats-server: where it takes the JWT of one account, of any, and where it tells what it has. */
export const claimsUpdateSubject = (account: string): string => `$SYS.REQ.ACCOUNT.${account}.CLAIMS.UPDATE`;
export const ANY_CLAIMS_UPDATE_SUBJECT = '$SYS.REQ.CLAIMS.UPDATE';
export const claimsLookupSubject = (account: string): string => `$SYS.REQ.ACCOUNT.${account}.CLAIMS.LOOKUP`;
export const controlInboxPrefix = (userPublicKey: string): string => `_INBOX_CONTROL_${userPublicKey}`;

/** -1 is "no limit" in NATS' JWTs; a missing number is 0, which is "none". */
export const NO_LIMIT = -1;
const LIMITS: OperatorLimits = { data: NO_LIMIT, payload: NO_LIMIT, subs: NO_LIMIT, conn: NO_LIMIT, leaf: 0, imports: 0, exports: 0, wildcards: false };
const JETSTREAM_LIMITS: OperatorLimits = { mem_storage: NO_LIMIT, disk_storage: NO_LIMIT, streams: NO_LIMIT, consumer: NO_LIMIT };

/** The operator's own key, and those of the accounts of federations, are not kept: signing keys do their work. */
export async function makeHubAccounts(): Promise<HubAccounts> {
  const [operatorKey, signing, system] = [createOperator(), createOperator(), createAccount()];
  const operator = { operatorSigningSeed: seedOf(signing), systemAccountSeed: seedOf(system) };
  const [operatorJwt, systemJwt, authority] = await Promise.all([
    encodeOperator('landbridge', operatorKey, { system_account: system.getPublicKey(), signing_keys: [signing.getPublicKey()] }),
    encodeAccount('SYS', system, { limits: LIMITS }, { signer: operatorKey }),
    makeFederation(operator),
  ]);
  const accountJwt = await signAccount({ ...authority, operatorSigningSeed: operator.operatorSigningSeed }, new Map());
  return { operatorJwt, systemAccount: system.getPublicKey(), accounts: new Map([[authority.accountPublicKey, accountJwt], [system.getPublicKey(), systemJwt]]), authority, operator };
}

/** An account that the hub has not heard of yet: the founder's federation service tells it, as it does after the hub was wiped. */
export async function makeFederation({ operatorSigningSeed, systemAccountSeed }: HubOperator): Promise<FederationKeys> {
  const [account, signing] = [createAccount(), createAccount()];
  const user = await makeControlUser(fromSeed(new TextEncoder().encode(systemAccountSeed)), account.getPublicKey());
  return { accountPublicKey: account.getPublicKey(), accountSigningSeed: seedOf(signing), control: { operatorSigningSeed, ...user } };
}

/**
 * The account's JWT, which is always made whole: nothing that a hub says of an account is signed again.
 * @param revoked public keys of users, with the time up to which their JWTs do not count, in seconds since 1970
 */
export function signAccount(keys: Pick<HubAuthority, 'accountPublicKey' | 'accountSigningSeed'> & Pick<HubControl, 'operatorSigningSeed'>, revoked: ReadonlyMap<string, number>): Promise<string> {
  const claims: Partial<Account> = {
    // Which users may come as a leaf node their own JWTs say.
    limits: { ...LIMITS, ...JETSTREAM_LIMITS, leaf: NO_LIMIT },
    signing_keys: [fromSeed(new TextEncoder().encode(keys.accountSigningSeed)).getPublicKey()],
    ...(revoked.size === 0 ? {} : { revocations: Object.fromEntries(revoked) }),
  };
  return encodeAccount('landbridge', keys.accountPublicKey, claims, { signer: new TextEncoder().encode(keys.operatorSigningSeed) });
}

/** Of the system account, which sees and may do everything: this one may replace and read the JWT of its federation's account, and of no other. */
async function makeControlUser(system: KeyPair, account: string): Promise<Omit<HubControl, 'operatorSigningSeed'>> {
  const user = createUser();
  const may: Partial<User> = {
    allowed_connection_types: ['STANDARD'],
    pub: { allow: [claimsUpdateSubject(account), claimsLookupSubject(account)] },
    sub: { allow: [`${controlInboxPrefix(user.getPublicKey())}.>`] },
  };
  return { systemUserJwt: await encodeUser('landbridge-founder', user, system, may), systemUserSeed: seedOf(user) };
}

function seedOf(keys: KeyPair): string {
  return new TextDecoder().decode(keys.getSeed());
}
