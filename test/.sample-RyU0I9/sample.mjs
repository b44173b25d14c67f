import test from 'ava';
test('a', (t) => t.pass());
test.skip('b', (t) => t.pass());
test.todo('c');
