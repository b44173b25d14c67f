/**
 * The side of the successor, as a state machine without effects: each state asks for one thing to be done, whose outcome
 * is the next event. The other side is in giver-protocol.ts, which says why `take` is the moment that counts.
 */
import type { HandoverPacket } from './handover-packet.ts';

export type TakerOutcome =
  /** All that can move has moved. */
  | { readonly kind: 'complete' }
  /** The old process goes on with what it had not given yet. */
  | { readonly kind: 'aborted' }
  /** The old process has ended. */
  | { readonly kind: 'giver-gone' }
  /** It said nothing for too long, or what nobody understands. */
  | { readonly kind: 'given-up'; readonly reason: string }
  /** This side could not go on. */
  | { readonly kind: 'failed'; readonly reason: string };

export type TakerState =
  /** Sends `hello`, and waits for the other one's. */
  | { readonly kind: 'greeting' }
  | { readonly kind: 'waiting' }
  /** Has the sink make the objects of a rehearsal, and let go of them; then sends `rehearsed`. */
  | { readonly kind: 'rehearsing' }
  /** Has the sink make the objects of a batch, send `take`, and begin. */
  | { readonly kind: 'taking'; readonly number: number }
  /** Sends `refuse`. */
  | { readonly kind: 'refusing'; readonly number: number; readonly reason: string }
  /** `take` found nobody: reads the queue to its end, however long that takes. */
  | { readonly kind: 'judging'; readonly number: number }
  /** Has the sink begin with it. */
  | { readonly kind: 'starting'; readonly number: number }
  /** Has the sink let go of it. */
  | { readonly kind: 'discarding'; readonly number: number }
  /** Sends `bye`. */
  | { readonly kind: 'parting' }
  | { readonly kind: 'ended'; readonly outcome: TakerOutcome };

export type TakerEvent =
  | { readonly kind: 'packet'; readonly packet: HandoverPacket }
  /** A packet that is not whole or not understood; its descriptors are closed. */
  | { readonly kind: 'nonsense'; readonly reason: string }
  | { readonly kind: 'deadline' }
  /** The other end is closed; where something was waited for, nothing of it is left to read. */
  | { readonly kind: 'gone' }
  /** Of a batch: it runs here, or its objects are made and `take` found nobody, or neither. */
  | { readonly kind: 'started' }
  | { readonly kind: 'unsaid' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** It was sent, or done. */
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly reason: string };

export const beginTaking: TakerState = { kind: 'greeting' };

const ended = (outcome: TakerOutcome): TakerState => ({ kind: 'ended', outcome });
const gone = ended({ kind: 'giver-gone' });

export function taken(state: TakerState, event: TakerEvent): TakerState {
  switch (state.kind) {
    case 'greeting':
      return event.kind === 'packet' && event.packet.kind === 'hello' ? { kind: 'waiting' } : unexpected(event);
    case 'waiting':
      if (event.kind === 'packet' && event.packet.kind === 'batch') return { kind: 'taking', number: event.packet.number };
      if (event.kind === 'packet' && event.packet.kind === 'rehearsal') return { kind: 'rehearsing' };
      if (event.kind === 'packet' && event.packet.kind === 'done') return { kind: 'parting' };
      // Their batch follows.
      if (event.kind === 'packet' && event.packet.kind === 'sockets') return state;
      return unexpected(event);
    case 'rehearsing':
      if (event.kind === 'passed') return { kind: 'waiting' };
      return event.kind === 'failed' ? ended(event) : gone;
    case 'taking':
      if (event.kind === 'started') return { kind: 'waiting' };
      if (event.kind === 'unsaid') return { kind: 'judging', number: state.number };
      return event.kind === 'refused' ? { kind: 'refusing', number: state.number, reason: event.reason } : ended({ kind: 'failed', reason: event.kind === 'failed' ? event.reason : event.kind });
    case 'refusing':
      return event.kind === 'passed' ? { kind: 'waiting' } : gone;
    case 'judging':
      if (event.kind === 'packet' && event.packet.kind === 'abort') return { kind: 'discarding', number: state.number };
      // It died while the batch stood still: nobody else moves these bytes.
      return event.kind === 'gone' ? { kind: 'starting', number: state.number } : state;
    case 'starting':
      return event.kind === 'failed' ? ended(event) : gone;
    case 'discarding':
      return ended({ kind: 'aborted' });
    case 'parting':
      return ended({ kind: 'complete' });
    case 'ended':
      return state;
    default:
      return state satisfies never;
  }
}

/** Where nothing of a batch is here: the end of the channel leaves all with the other side. */
function unexpected(event: TakerEvent): TakerState {
  switch (event.kind) {
    case 'gone':
      return gone;
    case 'packet':
      return event.packet.kind === 'abort' ? ended({ kind: 'aborted' }) : ended({ kind: 'given-up', reason: `an unexpected packet ${event.packet.kind}` });
    case 'nonsense':
    case 'failed':
      return ended({ kind: 'given-up', reason: event.reason });
    default:
      return ended({ kind: 'given-up', reason: 'nothing came for too long' });
  }
}
