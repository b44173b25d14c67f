import test from 'ava';
import { exampleToken } from './example-token.ts';
import { encodeJoinToken, MAX_TOKEN_LENGTH, parseJoinToken } from './join-token.ts';

const text = encodeJoinToken(exampleToken());

function refusal(token: string) {
  const parsed = parseJoinToken(token);
  if (parsed.ok) throw new Error('the token was accepted');
  return parsed.error;
}

test('a token is read back, also when a terminal broke its line', (t) => {
  const token = exampleToken();
  const encoded = encodeJoinToken(token);
  t.deepEqual(parseJoinToken(encoded), { ok: true, value: token });
  t.deepEqual(parseJoinToken(` ${encoded.slice(0, 80)}\r\n  ${encoded.slice(80)}\n`), { ok: true, value: token });
});

test('a token cut in half, one without its beginning and one of another version each have their own sentence', (t) => {
  t.regex(refusal(text.slice(0, text.length / 2)).message, /its end is missing/);
  t.regex(refusal(text.slice(10)).message, /begins with "lb1\."/);
  t.regex(refusal(`lb2${text.slice(3)}`).message, /another version/);
  t.regex(refusal('').message, /empty/);
  t.regex(refusal('lb1.'.padEnd(MAX_TOKEN_LENGTH + 1, 'a')).message, /longer/);
  for (const broken of [text.slice(0, 100), text.slice(10), 'x', '']) {
    t.is(refusal(broken).code, 'token-damaged');
    t.truthy(refusal(broken).hint);
  }
});

test('content that is not a token is refused although its checksum fits', (t) => {
  for (const changes of [{ v: 2 }, { urls: [] }, { urls: ['nats://hub:4222'] }, { cluster: 'West' }, { cluster: 'members' }, { exp: 1.5 }, { code: 'short' }]) {
    t.is(refusal(encodeJoinToken({ ...exampleToken(), ...changes } as never)).code, 'token-damaged', JSON.stringify(changes));
  }
});

test('a refusal never repeats a secret of the token', (t) => {
  const token = exampleToken({ exp: -1 });
  const { message, hint } = refusal(encodeJoinToken(token));
  for (const secret of [token.code, token.bootstrapSeed]) t.false(`${message} ${hint}`.includes(secret));
});
