import type { RelayEnd } from '../hbone/relay-pair.ts';
import type { ResponseFlag } from './thread-messages.ts';

/** How a connection ended whose two sockets were joined; `server` is what the one that the agent dialled is called. */
export function relayOutcome(end: RelayEnd, server: 'server' | 'application'): readonly [flag: ResponseFlag, error: string | undefined] {
  if (end === 'complete') return ['-', undefined];
  return ['CONNECT', `reset by the ${end === 'client-failed' ? 'client' : server}`];
}
