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
