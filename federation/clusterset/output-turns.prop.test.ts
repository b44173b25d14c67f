import test from 'ava';
import fc from 'fast-check';
import { OutputTurns, REST_MS, REWRITES } from './output-turns.ts';

const STEP_MS = 500;
const keys = Array.from({ length: 40 }, (_, i) => `import-${i}`);
/** At each step, who has changed, and how many objects each is. */
const histories = fc.record({ steps: fc.array(fc.subarray(keys), { maxLength: 300 }), objects: fc.integer({ min: 1, max: 9 }) });

test('whatever changes however often: none waits longer than it may, none is lost, and no more is rewritten than may be', (t) => {
  fc.assert(fc.property(histories, ({ steps, objects }) => {
    const turns = new OutputTurns({ lacksAddress: () => false, isGone: () => false });
    const waiting = new Map<string, number>();
    const rewrittenMs = new Map<string, number>();
    /** Those that were rewritten a short time before, and waited less than they may at most. */
    let paced = 0;
    const endMs = steps.length * STEP_MS + REST_MS;
    for (let nowMs = 0; nowMs <= endMs; nowMs += STEP_MS) {
      for (const key of steps[nowMs / STEP_MS] ?? []) {
        turns.add(key, nowMs);
        if (!waiting.has(key)) waiting.set(key, nowMs);
      }
      for (let turn = turns.take(new Set(), nowMs); turn !== undefined; turn = turns.take(new Set(), nowMs)) {
        const sinceMs = waiting.get(turn.key);
        if (sinceMs === undefined) return t.fail('nobody has changed it');
        waiting.delete(turn.key);
        if (nowMs - (rewrittenMs.get(turn.key) ?? -REST_MS) < REST_MS && nowMs - sinceMs < REST_MS) paced += objects;
        rewrittenMs.set(turn.key, nowMs);
        turns.rewrote(turn.key, objects, nowMs);
      }
      for (const sinceMs of waiting.values()) if (nowMs - sinceMs >= REST_MS) t.fail('it waits for too long');
      // The last of them may take more than is left.
      if (paced > REWRITES.burst + (REWRITES.perSecond * nowMs) / 1000 + objects) t.fail(`${paced} were rewritten in ${nowMs} ms`);
    }
    t.deepEqual([...waiting.keys()], []);
    t.is(turns.size, 0);
  }), { numRuns: 100 });
});
