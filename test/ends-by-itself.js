// Loaded into every process of tests. One that has something left to wait for after its last test, as after a test that failed
// half-way, would hold up the whole run: ava waits for it, and forgets its own timeout where a test had been given more time.
import { registerCompletionHandler } from 'ava';

const ENDS_WITHIN_MS = 30_000;

registerCompletionHandler(() => {
  setTimeout(() => {
    process.stderr.write(`process ${process.pid} of the tests has not ended ${ENDS_WITHIN_MS / 1000} s after the last one; it waits for: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(1);
  }, ENDS_WITHIN_MS).unref();
});
