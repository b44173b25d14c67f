import { type Authenticator, jwtAuthenticator } from '@nats-io/transport-node';
import type { HubCredentials } from '../join/credentials.ts';
import { memberInboxPrefix } from '../join/hub-users.ts';

/** What a connection to a hub needs. */
export interface HubAccess {
  readonly servers: readonly string[];
  readonly inboxPrefix?: string;
  readonly authenticator?: Authenticator;
  /** When given, a server without TLS, or with a certificate that does not chain to `ca`, is refused. */
  readonly tls?: { readonly ca: string };
}

export function hubAccess(credentials: HubCredentials): HubAccess {
  return {
    servers: credentials.urls,
    inboxPrefix: memberInboxPrefix(credentials.cluster),
    authenticator: jwtAuthenticator(credentials.userJwt, new TextEncoder().encode(credentials.userSeed)),
    tls: { ca: credentials.caPem },
  };
}
