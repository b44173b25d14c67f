/** A process of its own: writes faster than it may with the credentials that it is sent, until it is told to end. Its argument is how many records a second. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseHubCredentials } from '@landbridge/federation/join/credentials.ts';
import { HostileMember } from './clusterset.ts';
import { endpointsRecord, serviceRecord } from './exports.ts';

/** Keys that it writes in turn. */
const KEYS = 1500;
const EVERY_MS = 100;
const BATCH = (Number(process.argv[2]) * EVERY_MS) / 1000;

let isEnding = false;
process.on('message', (text: string) => {
  if (text === 'end') isEnding = true;
  else void flood(text);
});

async function flood(text: string): Promise<void> {
  const credentials = parseHubCredentials(text);
  if (!credentials.ok) throw new Error(credentials.error);
  await using member = await HostileMember.connect(credentials.value);
  const labels = 'x'.repeat(63);
  let written = 0;
  while (!isEnding) {
    const startMs = performance.now();
    for (let i = 0; i < BATCH; i++, written++) {
      const name = `flood-${written % KEYS}`;
      // Every other one grows, and has ports of its own that are in conflict with all others' of the name.
      if (written % 2 === 0) member.say(serviceRecord(name, { namespace: 'nowhere', ports: Array.from({ length: 20 }, (_, port) => ({ name: `p${port}`, protocol: 'TCP', port: 1 + ((written + port) % 60_000), appProtocol: labels })) }));
      else member.say(endpointsRecord(name, ['10.9.0.1'], { namespace: 'nowhere' }));
    }
    await member.connection.flush();
    process.send?.(written);
    // Where the hub takes no more than that, the next ones follow at once.
    await sleep(Math.max(1, EVERY_MS - (performance.now() - startMs)));
  }
  // Larger than any record: the hub, or whoever reads it, has to refuse it.
  member.put('mallory.svc.nowhere.large', Buffer.alloc(900_000, 0x61));
  member.say(serviceRecord('last-word'));
  await member.sync();
  process.send?.(written);
  process.disconnect();
}
