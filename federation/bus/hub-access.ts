import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type Authenticator, jwtAuthenticator, type TlsOptions } from '@nats-io/transport-node';
import type { HubCredentials } from '../join/credentials.ts';
import { memberInboxPrefix } from '../join/hub-users.ts';

/** What a connection to a hub needs. */
export interface HubAccess {
  readonly servers: readonly string[];
  readonly inboxPrefix?: string;
  readonly authenticator?: Authenticator;
  /** When given, a server without TLS, or with a certificate that does not chain to `ca`, is refused. */
  readonly tls?: TlsOptions;
}

/** @param userJwt asked at each connect: the one in the credentials may have been renewed since */
export function hubAccess(credentials: HubCredentials, userJwt = (): string => credentials.userJwt): HubAccess {
  return {
    servers: credentials.urls,
    inboxPrefix: memberInboxPrefix(credentials.cluster),
    authenticator: jwtAuthenticator(userJwt, new TextEncoder().encode(credentials.userSeed)),
    tls: hubTls(credentials.urls, credentials.caPem),
  };
}

/**
 * TLS towards a hub. The client upgrades a plain connection and then has no address left to compare with an IP
 * address' certificate, so any name of the configured hub counts: its authority certifies nothing else.
 */
export function hubTls(urls: readonly string[], caPem: string): TlsOptions {
  const hosts = urls.map((url) => new URL(url.replace(/^tls:/, 'https:')).hostname.replace(/^\[|\]$/g, ''));
  const check = (host: string, certificate: PeerCertificate): Error | undefined =>
    hosts.some((name) => checkServerIdentity(name, certificate) === undefined) ? undefined : checkServerIdentity(hosts[0] ?? host, certificate);
  return { ca: caPem, checkServerIdentity: check } as TlsOptions;
}
