/** Programs of Node.js that make connections for as long as a test wants, as command lines. */

export interface ShortCalls {
  readonly done: number;
  /** What went wrong, by how often. */
  readonly errors: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

export interface LongCall {
  readonly answers: number;
  /** How it ended by itself; empty where it did not. */
  readonly end: string;
}

/** What connections say that must never be seen outside. */
export const MARKER = 'in plaintext for nobody to read';

const program = (script: string): readonly string[] => [process.execPath, '-e', `const net = require('net'); ${script}`];

/** Answers each message with the same, and the end with the end. */
export function echo(port: number): readonly string[] {
  return program(`net.createServer({ allowHalfOpen: true, noDelay: true }, (s) => s.on('error', () => {}).pipe(s)).listen({ port: ${port}, host: '0.0.0.0', backlog: 1024 }, () => console.log('ready'))`);
}

/**
 * One connection after the other, `lanes` at a time: a message, its answer, the end of both directions. Writes how many
 * there were at SIGHUP, and {@link ShortCalls} at SIGTERM, with which it ends.
 */
export function shortCalls(host: string, port: number, lanes: number): readonly string[] {
  return program(`
    let done = 0, slowestMs = 0, isOver = false, open = 0; const errors = {};
    const call = () => {
      if (isOver) return open === 0 && tell();
      open++;
      const begun = performance.now(), word = 'call ' + done + ' ' + Math.random();
      let text = '', failure = '', isEnded = false;
      const s = net.connect({ port: ${port}, host: '${host}', noDelay: true, allowHalfOpen: true });
      s.setTimeout(20000, () => { failure = 'timeout'; s.destroy(); });
      s.end(word);
      s.on('data', (d) => text += d);
      s.on('end', () => isEnded = true);
      s.on('error', (e) => failure = e.code);
      s.on('close', () => {
        open--; done++;
        if (failure === '' && (text !== word || !isEnded)) failure = isEnded ? 'wrong answer' : 'no end';
        if (failure !== '') errors[failure] = (errors[failure] ?? 0) + 1;
        slowestMs = Math.max(slowestMs, performance.now() - begun);
        setImmediate(call);
      });
    };
    const tell = () => { console.log(JSON.stringify({ done, errors, slowestMs })); process.exit(0); };
    process.on('SIGHUP', () => console.log(done));
    process.on('SIGTERM', () => isOver = true);
    for (let i = 0; i < ${lanes}; i++) call();
    console.log('ready');`);
}

/** `count` connections at once, which stay open. Ready once all were answered; then writes how many ended in which way, once all have. */
export function openCalls(host: string, port: number, count: number): readonly string[] {
  return program(`
    let answered = 0, left = ${count}; const ends = {};
    for (let i = 0; i < ${count}; i++) {
      let how = 'end';
      const s = net.connect({ port: ${port}, host: '${host}', noDelay: true }, () => s.write('${MARKER}'));
      s.once('data', () => { if (++answered === ${count}) console.log('ready'); });
      s.on('error', (e) => how = e.code);
      s.on('close', () => { ends[how] = (ends[how] ?? 0) + 1; if (--left === 0) console.log(JSON.stringify(ends)); });
    }
    setInterval(() => {}, 1e6);`);
}

/** Tries to connect until it is answered. Ready when it has begun; then writes how many tries failed before, by reason. */
export function persistentCall(host: string, port: number): readonly string[] {
  return program(`
    const failures = {};
    const call = () => {
      let how = 'end';
      const s = net.connect({ port: ${port}, host: '${host}', noDelay: true }, () => s.write('${MARKER}'));
      s.once('data', () => { console.log(JSON.stringify(failures)); process.exit(0); });
      s.on('error', (e) => how = e.code);
      s.on('close', () => { failures[how] = (failures[how] ?? 0) + 1; setTimeout(call, 10); });
    };
    console.log('ready');
    call();`);
}

/** One connection for all the time, with a message every 20 ms. Ready once it was answered; writes {@link LongCall} at SIGTERM, with which it ends. */
export function longCall(host: string, port: number): readonly string[] {
  return program(`
    let answers = 0, end = '';
    const s = net.connect({ port: ${port}, host: '${host}', noDelay: true });
    const say = () => s.write('x');
    s.on('connect', say);
    s.on('data', (d) => { if (answers++ === 0) console.log('ready'); setTimeout(say, 20); });
    s.on('error', (e) => end = e.code);
    s.on('end', () => end ||= 'end');
    s.on('close', () => end ||= 'close');
    setInterval(() => {}, 1e6);
    process.on('SIGTERM', () => { console.log(JSON.stringify({ answers, end })); process.exit(0); });`);
}

export interface SteadyCalls {
  readonly flows: number;
  /** Those that ended, or whose answer was not what they had sent. */
  readonly broken: number;
  readonly answers: number;
  /** From a message to its answer. */
  readonly longestMs: number;
  /** What was wrong with those that broke, by how often. */
  readonly errors: Readonly<Record<string, number>>;
}

/** `count` connections at once, each of which sends a number as soon as the one before has come back. Ready once all were answered; writes the longest time so far at SIGHUP, from which on it counts anew, and {@link SteadyCalls} at SIGTERM, with which it ends. */
export function steadyCalls(host: string, port: number, count: number, everyMs = 5): readonly string[] {
  return program(`
    let answered = 0, answers = 0, longestMs = 0; const errors = {}; const waits = new Map();
    for (let i = 0; i < ${count}; i++) {
      let next = 0, rest = Buffer.alloc(0), isBroken = false;
      const s = net.connect({ port: ${port}, host: '${host}', noDelay: true });
      const fail = (why) => { if (!isBroken) errors[why] = (errors[why] ?? 0) + 1; isBroken = true; waits.delete(s); };
      const say = () => { const b = Buffer.alloc(4); b.writeUInt32LE(next); waits.set(s, performance.now()); s.write(b); };
      s.on('connect', say);
      s.on('data', (d) => {
        rest = Buffer.concat([rest, d]);
        if (rest.length < 4) return;
        longestMs = Math.max(longestMs, performance.now() - waits.get(s));
        if (rest.length > 4 || rest.readUInt32LE() !== next++) return fail('wrong bytes');
        rest = Buffer.alloc(0);
        answers++;
        if (next === 1 && ++answered === ${count}) { longestMs = 0; console.log('ready'); }
        waits.delete(s);
        setTimeout(say, ${everyMs});
      });
      s.on('error', (e) => fail(e.code));
      s.on('end', () => fail('end'));
      s.on('close', () => fail('close'));
    }
    setInterval(() => {}, 1e6);
    process.on('SIGHUP', () => { console.log(longestMs); longestMs = 0; });
    process.on('SIGTERM', () => {
      for (const since of waits.values()) longestMs = Math.max(longestMs, performance.now() - since);
      console.log(JSON.stringify({ flows: ${count}, broken: Object.values(errors).reduce((a, b) => a + b, 0), answers, longestMs, errors })); process.exit(0);
    });`);
}
