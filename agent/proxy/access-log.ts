import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { Logger } from 'pino';
import { formatAuthority } from './authority.ts';
import type { RelayOutcome } from './relay.ts';

export interface Party {
  readonly address: SocketAddress;
  readonly workload?: string | undefined;
  readonly namespace?: string | undefined;
  readonly cluster?: string | undefined;
  /** SPIFFE ID: of the source as its certificate says, of the destination as it was proven. */
  readonly identity?: string | undefined;
}

export interface ConnectionRecord {
  readonly direction: 'outbound' | 'inbound';
  readonly tunnel: 'hbone' | 'none';
  readonly source: Party;
  readonly destination: Party;
  readonly service?: string | undefined;
}

/** One line for each connection when it ends; the names of the fields are those of ztunnel's access log. */
export class AccessLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log.child({ scope: 'access' });
  }

  /** Call the result once when the connection ends. */
  open(record: ConnectionRecord): (outcome: RelayOutcome) => void {
    const startedAt = performance.now();
    const { direction, tunnel } = record;
    return ({ sent, received, error }) => {
      const line = {
        ...fields('src', record.source),
        ...fields('dst', record.destination),
        ...(record.service === undefined ? {} : { 'dst.service': record.service }),
        direction,
        tunnel,
        bytes_sent: sent,
        bytes_recv: received,
        duration: `${Math.round(performance.now() - startedAt)}ms`,
      };
      if (error === undefined) this.#log.info(line, 'connection complete');
      else this.#log.warn({ ...line, error }, 'connection failed');
    };
  }

  /** A connection that was never carried. */
  refused(record: ConnectionRecord, reason: string): void {
    this.open(record)(notCarried(reason));
  }
}

/** The outcome of a connection that ended before any byte was carried. */
export function notCarried(thrown: unknown): RelayOutcome {
  return { sent: 0, received: 0, error: typeof thrown === 'string' ? thrown : LandbridgeError.from(thrown).message };
}

function fields(prefix: 'src' | 'dst', party: Party): Record<string, string> {
  const all = { addr: formatAuthority(party.address), workload: party.workload, namespace: party.namespace, cluster: party.cluster, identity: party.identity };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== '').map(([name, value]) => [`${prefix}.${name}`, value as string]));
}
