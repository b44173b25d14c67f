/** States of tunnels through the format of batches, for tests. */
import { BatchWriter, type InboundTunnelState, parseHanded, type TunnelState } from './handed-state.ts';
import type { Http2SessionState, Http2StreamState } from '../hbone/http2-state.ts';
import type { TlsRecordsState } from '../hbone/tls-records.ts';
import { workloadLabels } from '../proxy/test-reports.ts';

const ADDRESS = { ip: '10.0.0.1', port: 80 } as const;
const KEYS = { secret: Buffer.alloc(32, 7), records: 5 } as const;

export const EXAMPLE_RECORDS: TlsRecordsState = { role: 'server', suite: 'TLS_AES_128_GCM_SHA256', tx: KEYS, rx: KEYS, partial: Buffer.from('partial'), handshake: Buffer.from([24]), owesKeyUpdate: true };

export const EXAMPLE_SESSION: Http2SessionState = {
  nextId: 1,
  lastPeerId: 7,
  settingsAcknowledged: true,
  owesTableUpdate: true,
  peerFirstWindow: 65_535,
  peerMaxFrame: 16_384,
  peerMaxStreams: 100,
  sendWindow: -5,
  receiveWindow: 65_535,
  uncredited: 10,
  isDraining: true,
  drainPingSent: true,
  drainedAtId: 7,
  isAsked: true,
  resets: [3, 5],
  staged: Buffer.from('staged'),
  rest: Buffer.from('rest'),
  reader: { header: Buffer.from([0, 0]), frame: { length: 10, type: 1, flags: 4, streamId: 7, left: 4, padding: 0, collected: Buffer.from('headers'.slice(0, 6)) } },
  dataStream: 7,
  block: { streamId: 7, endStream: true, fragments: [Buffer.from('fragment')] },
  hpack: { tableLimit: 4096, tableMax: 4096, updateDue: 0, table: [['name', 'value']] },
};

export const EXAMPLE_STREAM: Http2StreamState = { id: 7, sendWindow: -1, receiveWindow: 100, windowTarget: 200, uncredited: 100, localEnded: true, remoteEnded: false, isBulk: true, bytesSent: 1, bytesReceived: 2 ** 40, again: Buffer.from('again') };

export function tunnelState(records: TlsRecordsState = EXAMPLE_RECORDS, session: Http2SessionState = EXAMPLE_SESSION, streams: readonly Http2StreamState[] = [EXAMPLE_STREAM]): TunnelState {
  return {
    channel: { fd: 10, records, isPartialWhole: false, unsent: Buffer.from('unsent') },
    session,
    streams: streams.map((stream, i) => ({
      kind: 'plain',
      stream,
      near: { fd: 11 + i, unsent: [], isEnding: false, isEnded: false, hasPeerEnded: false },
      listener: { kind: 'inbound', state: { ageMs: 1, authority: '10.0.0.1:80', traceId: undefined, destination: ADDRESS, sourceLabels: workloadLabels('web'), service: undefined } },
    })),
  };
}

export const inboundTunnel = (tunnel: TunnelState): InboundTunnelState => ({ podUid: 'pod', remote: ADDRESS, localIp: '10.0.0.2', chain: [Buffer.from('leaf')], provenAtMs: 1_700_000_000_000, tunnel });

/** As it arrives in another process; the sockets have the same numbers there. */
export function carried(tunnel: TunnelState): TunnelState {
  const writer = new BatchWriter();
  writer.add({ kind: 'inbound-tunnel', state: inboundTunnel(tunnel) });
  const { parts, fds } = writer.batch();
  const bytes = Buffer.concat(parts);
  writer.clear();
  const parsed = parseHanded(bytes, fds);
  if (!parsed.ok) throw new Error(parsed.error);
  const [handed] = parsed.value;
  bytes.fill(0);
  if (handed?.kind !== 'inbound-tunnel') throw new Error('it is of another kind');
  return handed.state.tunnel;
}
