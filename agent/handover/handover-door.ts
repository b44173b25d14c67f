/** Where the agents of a node meet to hand connections over, and who may come: whoever passes here gets every key. */
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { PeerCredentials } from '@landbridge/native/peer-credentials.ts';
import { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import { MAX_CHANNEL_DESCRIPTORS } from './handover-channel.ts';
import { MAX_HANDOVER_PACKET_BYTES } from './handover-packet.ts';

const SOCKET = 'handover.sock';
const OWNER_ONLY = 0o700;

export interface HandoverDoor {
  /** A folder that the agents of a node share, and nobody else may look into. */
  readonly directory: string;
  /** Whether a process, as this one's namespace numbers it, is an agent of this node. */
  readonly isAgent: (pid: number) => boolean;
}

/** The path of the socket, in a folder that is made safe. @throws LandbridgeError `unsafe-handover` for a folder that others may use, Error of node:fs */
export function openDoor({ directory }: Pick<HandoverDoor, 'directory'>): string {
  // The kubelet makes what is missing for all to read.
  mkdirSync(directory, { recursive: true, mode: OWNER_ONLY });
  const before = lstatSync(directory);
  if (!before.isDirectory() || before.uid !== process.geteuid?.()) throw new LandbridgeError('unsafe-handover', `${directory} is not a folder of the agent's own`, { hint: 'Give handover.directory a path that is for agents alone.' });
  chmodSync(directory, OWNER_ONLY);
  return path.join(directory, SOCKET);
}

/** Why the process at the other end is given nothing, and nothing is taken of it; undefined where it may. */
export function distrust({ isAgent }: Pick<HandoverDoor, 'isAgent'>, { uid, pid }: PeerCredentials, ownUid: number | undefined = process.geteuid?.()): string | undefined {
  if (uid !== ownUid) return `it runs as user ${uid}`;
  // Without a number it is in another pid namespace: user and folder are all that there is to go by.
  if (pid === undefined) return undefined;
  return isAgent(pid) ? undefined : `process ${pid} is in no control group of an agent`;
}

export type Entrance = { readonly kind: 'open'; readonly socket: SeqpacketSocket } | { readonly kind: 'closed'; readonly reason: string };

/** Connects to the agent that listens. The socket is the caller's to close. */
export function enter(door: HandoverDoor): Entrance {
  let socket: SeqpacketSocket | undefined;
  try {
    socket = SeqpacketSocket.connect(openDoor(door), MAX_HANDOVER_PACKET_BYTES, MAX_CHANNEL_DESCRIPTORS);
    const reason = distrust(door, socket.peer);
    if (reason === undefined) return { kind: 'open', socket };
    socket[Symbol.dispose]();
    return { kind: 'closed', reason };
  } catch (thrown) {
    socket?.[Symbol.dispose]();
    return { kind: 'closed', reason: LandbridgeError.from(thrown).message };
  }
}
