import { setImmediate as nextTurn } from 'node:timers/promises';
import { registry } from './metrics.ts';
import { SeriesCounter } from './proxy/series-counter.ts';

/** What is made of the text before others get their turn. */
const PIECE_CHARACTERS = 64 * 1024;

/**
 * All metrics in the Prometheus text format, piece by piece: a full table of series makes 20 MB, and the thread that
 * writes them decides where connections go.
 */
export async function* metricsText(): AsyncGenerator<string> {
  for (const { name } of registry.getMetricsAsArray()) {
    const metric: unknown = registry.getSingleMetric(name);
    if (!(metric instanceof SeriesCounter)) {
      yield `${await registry.getSingleMetricAsString(name)}\n`;
      continue;
    }
    let piece = '';
    for (const line of metric.lines()) {
      piece += line;
      if (piece.length < PIECE_CHARACTERS) continue;
      yield piece;
      piece = '';
      await nextTurn();
    }
    yield piece;
  }
}
