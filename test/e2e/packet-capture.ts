import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { inNetwork } from '@landbridge/lab/network.ts';

/** A TCP segment, as captured. */
export interface Segment {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly payload: Buffer;
}

const ETHERNET_HEADER = 14;
const GLOBAL_HEADER = 24;
const RECORD_HEADER = 16;

export interface PacketCapture {
  /** The file's bytes so far. */
  read(): Buffer;
  stop(): Promise<Buffer>;
}

/** Captures on a link of a network namespace until `stop` is called. `bytes`: of each packet; a buffer holds more packets of which less is kept. Default: all. */
export async function startCapture(netns: string, link: string, file: string, filter: string, bytes = 0): Promise<PacketCapture> {
  const [command = '', ...args] = inNetwork(netns, ['tcpdump', '-i', link, '-U', '--immediate-mode', '-s', String(bytes), '-Z', 'root', '-w', file, filter]);
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ready = Promise.withResolvers<void>();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes('listening on')) ready.resolve();
  });
  child.on('close', () => ready.reject(new Error(`tcpdump ended: ${said}`)));
  await ready.promise;
  return {
    read: () => readFileSync(file),
    stop: async () => {
      const closed = once(child, 'close');
      child.kill('SIGINT');
      await closed;
      return readFileSync(file);
    },
  };
}

/** How many packets there are in a capture, of whatever kind. */
export function packetsIn(capture: Buffer): number {
  let packets = 0;
  for (let at = GLOBAL_HEADER; at + RECORD_HEADER <= capture.length; at += RECORD_HEADER + capture.readUInt32LE(at + 8)) packets++;
  return packets;
}

/** TCP segments over IPv4 with payload. */
export function segmentsOf(capture: Buffer): Segment[] {
  return allSegmentsOf(capture).filter(({ payload }) => payload.length > 0);
}

/** TCP segments over IPv4 of a capture in the classic pcap format of Ethernet links, in their order. */
export function allSegmentsOf(capture: Buffer): Segment[] {
  if (capture.readUInt32LE(0) !== 0xa1b2c3d4 || capture.readUInt32LE(20) !== 1) throw new Error('not an Ethernet capture of tcpdump');
  const segments: Segment[] = [];
  for (let at = GLOBAL_HEADER; at + RECORD_HEADER <= capture.length; ) {
    const length = capture.readUInt32LE(at + 8);
    const frame = capture.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    at += RECORD_HEADER + length;
    if (frame.length < ETHERNET_HEADER + 40 || frame.readUInt16BE(12) !== 0x0800) continue;
    const ip = frame.subarray(ETHERNET_HEADER);
    const headerLength = ((ip[0] ?? 0) & 15) * 4;
    if (ip[9] !== 6) continue;
    const tcp = ip.subarray(headerLength, ip.readUInt16BE(2));
    const payload = tcp.subarray(((tcp[12] ?? 0) >> 4) * 4);
    segments.push({ source: ip.subarray(12, 16).join('.'), sourcePort: tcp.readUInt16BE(0), destination: ip.subarray(16, 20).join('.'), destinationPort: tcp.readUInt16BE(2), payload });
  }
  return segments;
}

/** The version that a ServerHello chose (RFC 8446, section 4.1.3 and 4.2.1), where the segment begins with one. */
export function serverHelloVersion(payload: Buffer): number | undefined {
  // TLSPlaintext of type handshake, message ServerHello.
  if (payload[0] !== 22 || payload[5] !== 2) return undefined;
  const sessionIdLength = payload[43] ?? 0;
  let at = 44 + sessionIdLength + 3;
  const end = at + 2 + payload.readUInt16BE(at);
  for (at += 2; at + 4 <= end; at += 4 + payload.readUInt16BE(at + 2)) {
    if (payload.readUInt16BE(at) === 43) return payload.readUInt16BE(at + 4);
  }
  return payload.readUInt16BE(9);
}
