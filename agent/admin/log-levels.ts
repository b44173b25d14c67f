import type { Level, LevelWithSilent, Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export function parseLogLevel(text: string): LogLevel | undefined {
  return LOG_LEVELS.find((level) => level === text);
}

/** One level for a logger and everything that was made of it: pino copies the level to a child when it makes it, and never again. */
export class LogLevels {
  #loggers: WeakRef<Logger>[] = [];
  #checkAt = 64;
  readonly #first: LogLevel;
  #level: LogLevel;

  /** `first`: what the loggers were made with. */
  constructor(first: LogLevel) {
    this.#first = first;
    this.#level = first;
  }

  get level(): LogLevel {
    return this.#level;
  }

  /** To be called with the root, and as pino's option `onChild`. */
  readonly add = (logger: Logger): void => {
    logger.level = pinoLevel(this.#level);
    this.#loggers.push(new WeakRef(logger));
    if (this.#loggers.length < this.#checkAt) return;
    // Loggers of what is gone are not kept.
    this.#loggers = this.#loggers.filter((each) => each.deref() !== undefined);
    this.#checkAt = 2 * this.#loggers.length + 64;
  };

  set(level: LogLevel): void {
    this.#level = level;
    for (const each of this.#loggers) {
      const logger = each.deref();
      if (logger !== undefined) logger.level = pinoLevel(level);
    }
  }

  reset(): void {
    this.set(this.#first);
  }
}

function pinoLevel(level: LogLevel): Level | LevelWithSilent {
  return level === 'off' ? 'silent' : level;
}
