/** One process of a hand-over, led by messages of its parent. Either ends or stops itself where it is told to. */
import { SeqpacketListener } from '@landbridge/native/seqpacket-listener.ts';
import { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import { portOf } from '@landbridge/native/socket-address.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import { socketName } from '@landbridge/native/stream-socket.ts';
import { giveConnections } from './give-connections.ts';
import { MAX_CHANNEL_DESCRIPTORS } from './handover-channel.ts';
import { MAX_HANDOVER_PACKET_BYTES } from './handover-packet.ts';
import { takeConnections } from './take-connections.ts';
import { Counters } from './test-counters.ts';

/** Before the state or step of this kind does its work, for the batch of this number where it has one. */
export interface Moment {
  readonly kind: string;
  readonly number?: number;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

export type Told =
  | { readonly kind: 'listen' }
  | { readonly kind: 'give'; readonly path: string; readonly at?: Moment; readonly batchMs?: number }
  /** Once, of the next one who connects. */
  | { readonly kind: 'take'; readonly path: string; readonly at?: Moment; readonly prepareMs?: number; readonly refuses?: boolean }
  | { readonly kind: 'count' };

const counters = new Counters();
const tell = (message: object): void => void process.send?.(message);
const never = new AbortController().signal;

const stopAt = (at: Moment | undefined) => (state: { readonly kind: string; readonly number?: number }): void => {
  if (at !== undefined && at.kind === state.kind && (at.number === undefined || at.number === state.number)) process.kill(process.pid, at.signal);
};

async function handle(message: Told): Promise<object> {
  switch (message.kind) {
    case 'listen': {
      const [fd = -1] = listenHere('127.0.0.1', 0, 512, 1);
      counters.listen(fd);
      return { port: portOf(socketName(fd, 'local') as Buffer) };
    }
    case 'give': {
      using socket = SeqpacketSocket.connect(message.path, MAX_HANDOVER_PACKET_BYTES);
      return await giveConnections(socket, counters, { signal: never, onState: stopAt(message.at), ...(message.batchMs === undefined ? {} : { batchMs: message.batchMs }) });
    }
    case 'take': {
      counters.prepareMs = message.prepareMs ?? 0;
      counters.refuses = message.refuses ?? false;
      counters.onStep = stopAt(message.at);
      using listener = new SeqpacketListener(message.path);
      tell({ listens: true });
      await listener.readable(never);
      using socket = listener.accept(MAX_HANDOVER_PACKET_BYTES, MAX_CHANNEL_DESCRIPTORS);
      if (socket === undefined) throw new Error('nobody has connected');
      return await takeConnections(socket, counters, { signal: never, onState: stopAt(message.at) });
    }
    case 'count':
      return { size: counters.size };
    default:
      return message satisfies never;
  }
}

process.on('message', (message: Told) => void handle(message).then((result) => tell({ result }), (thrown: unknown) => tell({ error: String(thrown) })));
process.on('disconnect', () => process.exit(0));
