/**
 * Both sides of a hand-over and the channel between them, as one value: every step that either process, or whoever kills
 * it, can take next. For looking at all of them.
 */
import { beginGiving, given, type GiverEvent, type GiverState } from './giver-protocol.ts';
import { type HandoverPacket, HELLO } from './handover-packet.ts';
import { beginTaking, taken, type TakerEvent, type TakerState } from './taker-protocol.ts';

/** Of one process: `runs` moves bytes, the others do not. `said`: the word was given that takes it. */
export interface BatchPlace {
  readonly giver: 'runs' | 'frozen' | 'none';
  readonly taker: 'runs' | 'said' | 'prepared' | 'none';
  /** Whether the old process has run it after it was offered. */
  readonly wasThawed: boolean;
  /** Whether the successor has had it whole. */
  readonly wasPrepared: boolean;
}

export interface World {
  readonly giver: GiverState;
  readonly taker: TakerState;
  readonly toGiver: readonly HandoverPacket[];
  readonly toTaker: readonly HandoverPacket[];
  readonly isInboxClosed: boolean;
  readonly lives: { readonly giver: boolean; readonly taker: boolean };
  readonly batches: readonly BatchPlace[];
  /** That the source has left. */
  readonly rehearsals: number;
  /** Steps of which there could be no end. */
  readonly patience: number;
}

const FORMAT = 1;
const hello: HandoverPacket = { ...HELLO, formats: [FORMAT] };
const rehearsal: HandoverPacket = { kind: 'rehearsal', connections: 1, bytes: 1, sockets: 1 };

export function newWorld(batches: number, patience: number): World {
  return { giver: beginGiving, taker: beginTaking, toGiver: [hello], toTaker: [hello], isInboxClosed: false, lives: { giver: true, taker: true }, batches: Array.from({ length: batches }, () => ({ giver: 'runs', taker: 'none', wasThawed: false, wasPrepared: false })), rehearsals: 1, patience };
}

const isOpen = (world: World, side: 'giver' | 'taker'): boolean => world.lives[side] && world[side].kind !== 'ended';

function place(world: World, number: number, change: Partial<BatchPlace>): World {
  return { ...world, batches: world.batches.map((batch, i) => (i === number - 1 ? { ...batch, ...change } : batch)) };
}

/** All worlds that one step leads to; kills are told apart. */
export function steps(world: World): { readonly next: readonly World[]; readonly killed: readonly World[] } {
  const next = [...(isOpen(world, 'giver') ? giverSteps(world) : []), ...(isOpen(world, 'taker') ? takerSteps(world) : [])];
  const killed = (['giver', 'taker'] as const).filter((side) => world.lives[side]).map((side) => ({ ...world, lives: { ...world.lives, [side]: false } }));
  return { next, killed };
}

function giverSteps(world: World): readonly World[] {
  const { giver } = world;
  const on = (event: GiverEvent, from: World = world): World => ({ ...from, giver: given(giver, event, FORMAT) });
  const isThere = isOpen(world, 'taker');
  const impatient: World = { ...world, patience: world.patience - 1 };
  switch (giver.kind) {
    case 'greeting':
    case 'watching':
    case 'offered': {
      const [packet, ...toGiver] = world.toGiver;
      const came = packet === undefined ? (isThere ? [] : [on({ kind: 'gone' })]) : [on({ kind: 'packet', packet }, { ...world, toGiver }), ...(packet.kind === 'take' ? [] : [on({ kind: 'nonsense' }, { ...world, toGiver })])];
      return [...came, on({ kind: 'deadline' })];
    }
    case 'rehearsing': {
      const failed = on({ kind: 'failed', reason: 'source' });
      if (world.rehearsals === 0) return [on({ kind: 'none-left' }), failed];
      return isThere ? [on({ kind: 'passed' }, { ...world, rehearsals: world.rehearsals - 1, toTaker: [...world.toTaker, rehearsal] }), failed] : [on({ kind: 'gone' })];
    }
    case 'asking': {
      const failed = on({ kind: 'failed', reason: 'source' });
      const later = world.patience > 0 ? [on({ kind: 'later' }, impatient)] : [];
      if (giver.number > world.batches.length) return [on({ kind: 'none-left' }), ...later, failed];
      return [on({ kind: 'batch' }, place(world, giver.number, { giver: 'frozen' })), on({ kind: 'none-left' }), ...later, failed];
    }
    case 'pausing':
      return [on({ kind: 'passed' })];
    case 'sending': {
      const failed = on({ kind: 'failed', reason: 'sendmsg' });
      const packet: HandoverPacket = { kind: 'batch', number: giver.number, connections: 1, bytes: 1, sockets: 1, frozenAtMs: undefined };
      return isThere ? [on({ kind: 'passed' }, { ...world, toTaker: [...world.toTaker, packet] }), failed] : [on({ kind: 'gone' })];
    }
    case 'closing':
      return [on({ kind: 'rest', packets: world.toGiver }, { ...world, toGiver: [], isInboxClosed: true })];
    case 'aborting':
      if (!isThere) return [on({ kind: 'gone' })];
      return [on({ kind: 'passed' }, { ...world, toTaker: [...world.toTaker, { kind: 'abort', number: giver.number }] }), ...(world.patience > 0 ? [on({ kind: 'busy' }, impatient)] : [])];
    case 'settling':
      return [on({ kind: 'passed' }, place(world, giver.number, giver.fate === 'given' ? { giver: 'none' } : { giver: 'runs', wasThawed: true }))];
    case 'parting':
      return [on({ kind: 'deadline' }, isThere ? { ...world, toTaker: [...world.toTaker, { kind: 'done' }] } : world)];
    case 'ended':
      return [];
    default:
      return giver satisfies never;
  }
}

function takerSteps(world: World): readonly World[] {
  const { taker } = world;
  const on = (event: TakerEvent, from: World = world): World => ({ ...from, taker: taken(taker, event) });
  const isThere = isOpen(world, 'giver');
  const [packet, ...toTaker] = world.toTaker;
  const came = packet === undefined ? (isThere ? [] : [on({ kind: 'gone' })]) : [on({ kind: 'packet', packet }, { ...world, toTaker })];
  const send = (sent: HandoverPacket, lost: TakerEvent): readonly World[] => (isThere && !world.isInboxClosed ? [on({ kind: 'passed' }, { ...world, toGiver: [...world.toGiver, sent] })] : [on(lost)]);
  switch (taker.kind) {
    case 'greeting':
    case 'waiting': {
      const nonsense = packet === undefined ? [] : [on({ kind: 'nonsense', reason: 'truncated' }, { ...world, toTaker })];
      return [...came, ...nonsense, on({ kind: 'deadline' })];
    }
    case 'rehearsing':
      return [...send({ kind: 'rehearsed' }, { kind: 'gone' }), on({ kind: 'failed', reason: 'sink' })];
    case 'judging':
      return came;
    case 'taking':
      return takingSteps(world, taker.number, on, isThere && !world.isInboxClosed);
    case 'refusing':
      return send({ kind: 'refuse', number: taker.number, reason: taker.reason }, { kind: 'gone' });
    case 'starting':
      return [on({ kind: 'started' }, place(world, taker.number, { taker: 'runs' }))];
    case 'discarding':
      return [on({ kind: 'passed' }, place(world, taker.number, { taker: 'none' }))];
    case 'parting':
      return send({ kind: 'bye' }, { kind: 'gone' });
    case 'ended':
      return [];
    default:
      return taker satisfies never;
  }
}

/** What the sink does, step by step: either process may end between two of them. */
function takingSteps(world: World, number: number, on: (event: TakerEvent, from?: World) => World, isHeard: boolean): readonly World[] {
  switch (world.batches[number - 1]?.taker) {
    case 'prepared':
      return isHeard ? [place({ ...world, toGiver: [...world.toGiver, { kind: 'take', number }] }, number, { taker: 'said' })] : [on({ kind: 'unsaid' })];
    case 'said':
      return [on({ kind: 'started' }, place(world, number, { taker: 'runs' }))];
    default:
      return [place(world, number, { taker: 'prepared', wasPrepared: true }), on({ kind: 'refused', reason: 'format' }), on({ kind: 'failed', reason: 'sink' })];
  }
}

/** Both sides in turn, without a failure: whoever waits does so until something comes. Undefined once there is nothing to do. */
export function usualStep(world: World): World | undefined {
  const waits = { giver: ['greeting', 'watching', 'offered'].includes(world.giver.kind) && world.toGiver.length === 0, taker: ['greeting', 'waiting'].includes(world.taker.kind) && world.toTaker.length === 0 };
  if (isOpen(world, 'giver') && !waits.giver) return giverSteps(world)[0];
  return isOpen(world, 'taker') && !waits.taker ? takerSteps(world)[0] : undefined;
}

/** What must be so in every world; undefined where it is. */
export function faultIn({ batches, lives, giver, taker }: World): string | undefined {
  for (const [i, batch] of batches.entries()) {
    if (batch.giver === 'runs' && batch.taker === 'runs') return `batch ${i + 1} runs twice`;
    // A record number may be used once: whoever moves a byte of it must be the only one for good.
    if (batch.wasThawed && batch.taker === 'runs') return `batch ${i + 1} runs after the other process went on with it`;
    // Unless it has been told that it goes on there: who died can not keep that word.
    if (!lives.giver && taker.kind === 'ended' && lives.taker && batch.giver === 'frozen' && batch.wasPrepared && batch.taker !== 'runs' && giver.kind !== 'settling') return `batch ${i + 1} died with the old process`;
    const isOver = giver.kind === 'ended' && (taker.kind === 'ended' || !lives.taker);
    if (!isOver || !lives.giver) continue;
    if (batch.giver === 'frozen') return `batch ${i + 1} stands still for good`;
    if (batch.giver === 'none' && batch.taker !== 'runs' && lives.taker) return `batch ${i + 1} is nobody's`;
  }
  return undefined;
}

/** Of a world in which nothing more happens by itself. */
export function faultAtTheEnd(world: World): string | undefined {
  const { giver, taker, lives, batches } = world;
  if (lives.giver && giver.kind !== 'ended') return `the old process hangs in ${giver.kind}`;
  if (lives.taker && taker.kind !== 'ended') return `the successor hangs in ${taker.kind}`;
  if (lives.taker && batches.some(({ taker: has }) => has === 'prepared' || has === 'said')) return 'the successor keeps sockets of a batch that it does not run';
  return faultIn(world);
}
