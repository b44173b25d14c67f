import { readFileSync } from 'node:fs';
import path from 'node:path';
import { AGENT_MARK, REPLY_MARK } from '@landbridge/agent/capture/marks.ts';
import type { Outcome, Row } from './rows.ts';

/** What was seen of one row's traffic. */
export interface Observation {
  /** What whoever began it heard. */
  readonly said: string;
  /** The agent had it, and knew where it was to go. */
  readonly agentSaw: boolean;
  /** Packets of it were on the link out of the pod. */
  readonly left: boolean;
}

/** What an application at the destination says begins with it. */
const WITNESS = /^witness /;

/** What came of it, by the three of them; undefined where they contradict each other. */
export function outcomeOf({ said, agentSaw, left }: Observation): Outcome | undefined {
  const arrived = WITNESS.test(said) || left;
  if (agentSaw) return arrived ? undefined : 'captured';
  return arrived ? 'untouched' : 'refused';
}

const PYTHON = '/usr/bin/python3';
const script = (name: string): string => readFileSync(path.join(import.meta.dirname, name), 'utf8');
const MARKS = { agent: AGENT_MARK, reply: REPLY_MARK } as const;

/** Command line that begins a row's traffic and writes {@link Heard}. */
export function probe({ manner, port, mark }: Row, source: string, destination: string): readonly string[] {
  return [PYTHON, '-c', script('probe.py'), manner, source, destination, String(port), String(mark === undefined ? 0 : MARKS[mark])];
}

export interface Heard {
  readonly said: string;
  /** Address and port of the socket that began it; empty where that is a raw one. */
  readonly from: string;
}

export const parseHeard = (text: string): Heard => JSON.parse(text) as Heard;

/** Command line of the application at a destination. Ready when it listens. */
export const witness = (...ports: readonly number[]): readonly string[] => [PYTHON, '-c', script('witness.py'), ...ports.map(String)];

/** Of the packets of a row that leave a pod (pcap-filter(7)). */
export function packetFilter({ manner, port }: Row, destination: string): string {
  const protocol = manner === 'icmp' ? (destination.includes(':') ? 'icmp6' : 'icmp') : manner === 'sctp' ? 'ip proto 132' : manner === 'udp' ? `udp and dst port ${port}` : `tcp and dst port ${port}`;
  return `dst host ${destination} and ${protocol}`;
}
