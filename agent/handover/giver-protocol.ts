/**
 * The side of the process that gives its connections away, as a state machine without effects. Each state asks for one
 * thing to be done, whose outcome is the next event.
 *
 * A batch is the successor's from the moment on at which `take` is in this side's queue. So, to keep one that is not taken
 * in time: no further packet is let in, the queue is read once, and without `take` in it, it can never come. The batch
 * goes on here only when `abort` is on its way or the successor has closed its end: a successor that finds the end of the
 * channel without `abort` knows that this process has died, and takes what it has.
 */
import type { HandoverPacket } from './handover-packet.ts';

export type GiverOutcome =
  /** All that can move has moved. */
  | { readonly kind: 'complete' }
  /** The successor does not read what this agent writes. */
  | { readonly kind: 'other-format' }
  /** It did not answer in time, or not what was asked. */
  | { readonly kind: 'not-taken' }
  /** It has closed its end. */
  | { readonly kind: 'successor-gone' }
  /** This side could not go on. */
  | { readonly kind: 'failed'; readonly reason: string };

/** What becomes of the batch that stands still. */
export type Fate = 'given' | 'kept' | 'refused';

export type GiverState =
  /** Sends `hello`, and waits for the other one's. */
  | { readonly kind: 'greeting' }
  /** Sends the next rehearsal, of which nothing stands still. */
  | { readonly kind: 'rehearsing' }
  /** Waits for `rehearsed`. */
  | { readonly kind: 'watching' }
  /** Asks the source for the batch of this number. */
  | { readonly kind: 'asking'; readonly number: number }
  /** What is left may move later. */
  | { readonly kind: 'pausing'; readonly number: number }
  /** The batch stands still and is sent. */
  | { readonly kind: 'sending'; readonly number: number }
  /** Waits for `take`. */
  | { readonly kind: 'offered'; readonly number: number }
  /** Lets no further packet in, and reads those that are there. */
  | { readonly kind: 'closing'; readonly number: number }
  /** Sends `abort`, until it is sent or nobody is there. */
  | { readonly kind: 'aborting'; readonly number: number }
  /** Tells the source what became of the batch; `after` is where it goes on. */
  | { readonly kind: 'settling'; readonly number: number; readonly fate: Fate; readonly after: GiverState }
  /** Sends `done`, and waits for `bye`. */
  | { readonly kind: 'parting' }
  | { readonly kind: 'ended'; readonly outcome: GiverOutcome };

export type GiverEvent =
  /** A packet came: what was waited for, or anything else. */
  | { readonly kind: 'packet'; readonly packet: HandoverPacket }
  | { readonly kind: 'nonsense' }
  /** Nothing came in time. */
  | { readonly kind: 'deadline' }
  /** The successor has closed its end, and nothing of it is left to read. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'batch' }
  | { readonly kind: 'later' }
  | { readonly kind: 'none-left' }
  /** Of a pause, or of a rehearsal, a batch or `abort` that was sent. */
  | { readonly kind: 'passed' }
  /** The batch could not be sent, and nothing of it was; or the source failed. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** What was in the queue when it was closed. */
  | { readonly kind: 'rest'; readonly packets: readonly HandoverPacket[] }
  /** `abort` could not be sent at this moment. */
  | { readonly kind: 'busy' };

export const beginGiving: GiverState = { kind: 'greeting' };

const ended = (outcome: GiverOutcome): GiverState => ({ kind: 'ended', outcome });
const settled = (number: number, fate: Fate, after: GiverState): GiverState => ({ kind: 'settling', number, fate, after });
const notTaken = ended({ kind: 'not-taken' });
const gone = ended({ kind: 'successor-gone' });

/** The next state. `format`: of the batches that this side writes. */
export function given(state: GiverState, event: GiverEvent, format: number): GiverState {
  switch (state.kind) {
    case 'greeting':
      if (event.kind === 'packet' && event.packet.kind === 'hello') return !event.packet.formats.includes(format) ? ended({ kind: 'other-format' }) : event.packet.rehearses ? { kind: 'rehearsing' } : { kind: 'asking', number: 1 };
      return event.kind === 'gone' ? gone : notTaken;
    case 'rehearsing':
      if (event.kind === 'passed') return { kind: 'watching' };
      if (event.kind === 'none-left') return { kind: 'asking', number: 1 };
      return event.kind === 'failed' ? ended(event) : gone;
    case 'watching':
      if (event.kind === 'packet' && event.packet.kind === 'rehearsed') return { kind: 'rehearsing' };
      return event.kind === 'gone' ? gone : notTaken;
    case 'asking':
      if (event.kind === 'batch') return { kind: 'sending', number: state.number };
      if (event.kind === 'later') return { kind: 'pausing', number: state.number };
      return event.kind === 'failed' ? ended(event) : { kind: 'parting' };
    case 'pausing':
      return { kind: 'asking', number: state.number };
    case 'sending':
      if (event.kind === 'passed') return { kind: 'offered', number: state.number };
      // Nobody else has it.
      return settled(state.number, 'kept', event.kind === 'failed' ? ended(event) : gone);
    case 'offered':
      return afterOffer(state, event);
    case 'closing':
      return event.kind === 'rest' ? afterRest(state, event.packets) : state;
    case 'aborting':
      return event.kind === 'passed' || event.kind === 'gone' ? settled(state.number, 'kept', notTaken) : state;
    case 'settling':
      return event.kind === 'failed' ? ended(event) : state.after;
    case 'parting':
      return ended({ kind: 'complete' });
    case 'ended':
      return state;
    default:
      return state satisfies never;
  }
}

function afterOffer({ number }: Extract<GiverState, { readonly kind: 'offered' }>, event: GiverEvent): GiverState {
  const next: GiverState = { kind: 'asking', number: number + 1 };
  if (event.kind === 'packet' && event.packet.kind === 'take' && event.packet.number === number) return settled(number, 'given', next);
  if (event.kind === 'packet' && event.packet.kind === 'refuse' && event.packet.number === number) return settled(number, 'refused', next);
  // What it had sent was read before its end: `take` is not among it.
  if (event.kind === 'gone') return settled(number, 'kept', gone);
  return { kind: 'closing', number };
}

function afterRest({ number }: Extract<GiverState, { readonly kind: 'closing' }>, packets: readonly HandoverPacket[]): GiverState {
  if (packets.some((packet) => packet.kind === 'take' && packet.number === number)) return settled(number, 'given', notTaken);
  return { kind: 'aborting', number };
}
