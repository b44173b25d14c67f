import type { HubAuthority, HubCredentials } from './credentials.ts';
import { makeEd25519Keys } from './ed25519.ts';
import { issueFounderUser, issueLeafUser, makeUserKeys } from './hub-users.ts';

/** The founder joins by the authority that it holds, without a token. Needs no connection: the founder's bus is opened with the result. */
export async function makeFounderCredentials(authority: HubAuthority, cluster: string): Promise<HubCredentials> {
  const user = makeUserKeys();
  const record = makeEd25519Keys();
  return {
    cluster,
    urls: authority.urls,
    caPem: authority.caPem,
    userJwt: await issueFounderUser(authority, cluster, user.publicKey),
    leafJwt: await issueLeafUser(authority, cluster, user.publicKey),
    userSeed: user.seed,
    recordPrivateKeyPem: record.privateKeyPem,
    recordPublicKey: record.publicKey,
    authorityPublicKey: authority.authorityPublicKey,
  };
}
