/** What an agent is handed by the one before it: of another version, but of nobody else. */
import { BatchWriter, type HandedConnection, type OutboundState, parseHanded } from '@landbridge/agent/handover/handed-state.ts';
import { inboundTunnel, tunnelState } from '@landbridge/agent/handover/test-tunnel-state.ts';
import { workloadLabels } from '@landbridge/agent/proxy/test-reports.ts';
import { expect, type FuzzTarget, hex } from './fuzz-target.ts';

const address = { ip: '10.0.0.1', port: 80 };
const socket = (fd: number): { readonly fd: number; readonly unsent: readonly Buffer[]; readonly isEnding: boolean; readonly isEnded: boolean; readonly hasPeerEnded: boolean } => ({ fd, unsent: [Buffer.from('unsent')], isEnding: true, isEnded: false, hasPeerEnded: true });
const pair = { client: socket(10), server: socket(11), relay: { clientEnded: true, serverEnded: false, sentBytes: 5, receivedBytes: 2 ** 40 } };
const connection: OutboundState = { podUid: 'pod', source: address, destination: address, ageMs: 5, carriage: 'plain', destinationLabels: workloadLabels('cart'), service: { hostname: 'h', namespace: 'n', name: 's' }, candidate: { id: 'c', address: '10.0.0.2', port: 80, authority: '' }, peer: undefined, traceparent: '' };
const FDS = [10, 11, 12, 13, 14, 15];

const EXAMPLES: readonly HandedConnection[] = [
  { kind: 'plaintext', state: { podUid: 'pod', source: address, destination: address, ageMs: 5, pair } },
  { kind: 'outbound', state: { connection, pair } },
  { kind: 'local', state: { connection, serverUid: 'other', source: address, target: address, service: undefined, ageMs: 3, pair } },
  { kind: 'inbound-tunnel', state: inboundTunnel(tunnelState()) },
];

function batchOf(handed: readonly HandedConnection[]): Uint8Array {
  const writer = new BatchWriter();
  for (const each of handed) writer.add(each);
  return Uint8Array.from(Buffer.concat(writer.batch().parts));
}

const handedConnections: FuzzTarget = {
  name: 'handed-connections',
  examples: [...EXAMPLES.map((each) => batchOf([each])), batchOf(EXAMPLES)],
  dictionary: ['4c42484f0001', '00000001', 'ffffffff', '8100000000', '0100000008', '3ff0000000000000', '7ff8000000000000'].map(hex),
  check: (input) => {
    const bytes = Buffer.from(input);
    for (let sockets = 0; sockets <= FDS.length; sockets++) {
      const fds = FDS.slice(0, sockets);
      const parsed = parseHanded(bytes, fds);
      if (!parsed.ok) {
        expect(parsed.error.length > 0 && parsed.error.length < 200, 'reason is empty or too long');
        continue;
      }
      // Written again it says the same: nothing was read that is not in it.
      const again = new BatchWriter();
      for (const each of parsed.value) again.add(each);
      const batch = again.batch();
      expect(new Set(batch.fds).size === fds.length && batch.fds.every((fd) => fds.includes(fd)), 'a socket has two owners, or none');
      const reread = parseHanded(Buffer.concat(batch.parts), batch.fds);
      expect(reread.ok && JSON.stringify(reread.value) === JSON.stringify(parsed.value), 'what was read does not survive');
    }
  },
};

export const HANDOVER_TARGETS: readonly FuzzTarget[] = [handedConnections];
