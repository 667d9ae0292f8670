// SPDX-License-Identifier: MIT
// core.js - node: generators, promises, timers; the command line is that of harness.h
'use strict';

const [name, times, warm = 0, size = 1000000] = [process.argv[2], ...process.argv.slice(3).map(Number)];
let begun, ended;

const now = () => ({ cpu: process.cpuUsage(), wall: process.hrtime.bigint() });

const begin = () => { begun = now(); };

const far = () => 3600000 + Math.floor(Math.random() * 3600000);

function never() {
  console.error('a timer that was an hour away has fired');
  process.exit(1);
}

function* gives() {
  for (;;)
    yield;
}

function* delegates(inner) {
  yield* inner;
}

const cases = {
  chain(times) {
    let generator = gives();
    for (let i = 0; i < 9; i++)
      generator = delegates(generator);
    for (let i = 0; i < times; i++)
      generator.next();
  },

  next(times) {
    const generator = gives();
    for (let i = 0; i < times; i++)
      generator.next();
  },

  async yield(times) {
    const yields = async () => {
      for (let i = 0; i < times / 2; i++)
        await null;
    };
    await Promise.all([yields(), yields()]);
  },

  timer(times) {
    for (let i = 0; i < size; i++)
      setTimeout(never, far());
    begin();
    for (let i = 0; i < times; i++)
      clearTimeout(setTimeout(never, far()));
  },
};

async function main() {
  for (const count of warm ? [warm, times] : [times]) {
    begin();
    await cases[name](count);
    ended = now();
  }
  console.log((ended.cpu.user - begun.cpu.user + ended.cpu.system - begun.cpu.system) * 1000,
              String(ended.wall - begun.wall));
  process.exit(0);
}

main();
