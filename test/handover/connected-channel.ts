/** Both ends of what two agents hand over through, in one process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MAX_CHANNEL_DESCRIPTORS } from '@landbridge/agent/handover/handover-channel.ts';
import { MAX_HANDOVER_PACKET_BYTES } from '@landbridge/agent/handover/handover-packet.ts';
import { SeqpacketListener } from '@landbridge/native/seqpacket-listener.ts';
import { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';

export async function connectedChannel(): Promise<{ readonly giver: SeqpacketSocket; readonly successor: SeqpacketSocket } & AsyncDisposable> {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-channel-'));
  const file = path.join(directory, 's');
  using listener = new SeqpacketListener(file);
  const giver = SeqpacketSocket.connect(file, MAX_HANDOVER_PACKET_BYTES, MAX_CHANNEL_DESCRIPTORS);
  await listener.readable(AbortSignal.timeout(10_000));
  const successor = listener.accept(MAX_HANDOVER_PACKET_BYTES, MAX_CHANNEL_DESCRIPTORS) as SeqpacketSocket;
  return {
    giver,
    successor,
    [Symbol.asyncDispose]: async () => {
      giver[Symbol.dispose]();
      successor[Symbol.dispose]();
      rmSync(directory, { recursive: true });
    },
  };
}
