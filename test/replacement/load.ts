/** Programs of Node.js that make connections for as long as a test wants, as command lines. SIGTERM asks each for what it has seen. */

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

const program = (script: string): readonly string[] => [process.execPath, '-e', `const net = require('net'); ${script}`];

/** Answers each message with the same, and the end with the end. */
export function echo(port: number): readonly string[] {
  return program(`net.createServer({ allowHalfOpen: true, noDelay: true }, (s) => s.on('error', () => {}).pipe(s)).listen({ port: ${port}, host: '0.0.0.0', backlog: 1024 }, () => console.log('ready'))`);
}

/** One connection after the other, `lanes` at a time: a message, its answer, the end of both directions. */
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
    process.on('SIGTERM', () => isOver = true);
    for (let i = 0; i < ${lanes}; i++) call();
    console.log('ready');`);
}

/** One connection for all the time, with a message every 20 ms. Ready once it was answered. */
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
