/**
 * Bugs to be planted in the overlay, one at a time: the simulator must find each of them, or it is not watching. A bug
 * is a change of one or more places in the source; each text that it replaces must occur exactly once, so that a change of the
 * core cannot make a mutant idle without anybody noticing.
 */

export interface Edit {
  /** under firmware/ */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Where the core checks something twice, all checks must go. */
export interface Mutant {
  readonly name: string;
  /** where it was found last: tried first */
  readonly seed: number;
  readonly edits: readonly Edit[];
}

export const mutants: readonly Mutant[] = [
  {
    name: 'no exchange lock',
    seed: 132,
    edits: [
      {
        file: 'overlay/exchange-lock.ts',
        find: 'if (this.current(now) !== undefined) return undefined;',
        replace: 'if (this.current(now)?.holder === holder) return undefined;',
      },
    ],
  },
  {
    name: 'the lock never expires',
    seed: 12,
    edits: [
      {
        file: 'overlay/exchange-lock.ts',
        find: 'until: now + lockLeaseMs',
        replace: 'until: Number.POSITIVE_INFINITY',
      },
    ],
  },
  {
    name: 'fences do not rise',
    seed: 4,
    edits: [
      {
        file: 'overlay/exchange-lock.ts',
        find: 'this.lastFence === 0xffff_ffff ? 1 : this.lastFence + 1',
        replace: '1',
      },
    ],
  },
  {
    name: 'the camera does not raise its epoch',
    seed: 1,
    edits: [
      {
        file: 'overlay/camera-node.ts',
        find: 'this.context.epoch = Math.max(this.context.epoch, offer.epoch) + 1;',
        replace: 'this.context.epoch = Math.max(this.context.epoch, offer.epoch, 1);',
      },
    ],
  },
  {
    name: 'the epoch is not persisted',
    seed: 1,
    edits: [
      {
        file: 'overlay/camera-node.ts',
        find: "this.context.emit({ type: 'persist', state: { epoch: this.context.epoch } });",
        replace: '',
      },
    ],
  },
  {
    name: 'a lower epoch takes a camera over in the tables',
    seed: 3,
    edits: [
      { file: 'overlay/origin-table.ts', find: 'epoch > best.epoch ||', replace: 'epoch < best.epoch ||' },
    ],
  },
  {
    name: 'the old manager does not yield to a higher epoch',
    seed: 4,
    edits: [
      {
        file: 'overlay/served-cameras.ts',
        find: 'if (!overtaken || !mayRise(own.epoch, epoch)) continue;',
        replace: 'if (own !== undefined || !overtaken) continue;',
      },
    ],
  },
  {
    name: 'an incarnation is raised by somebody else',
    seed: 1,
    edits: [
      {
        file: 'overlay/exchange.ts',
        find: "this.context.rows.merge({ ...row, version: row.version + 1, standing: 'dead', neighbors: [] });",
        replace:
          "this.context.rows.merge({ ...row, incarnation: row.incarnation + 1, version: row.version + 1, standing: 'dead', neighbors: [] });",
      },
    ],
  },
  {
    name: 'a server believed dead does not say that it lives',
    seed: 15,
    edits: [
      {
        file: 'overlay/exchange.ts',
        find: 'if (!isNewer(row, { incarnation: context.incarnation, version: this.version })) return;',
        replace: 'if (row.origin === context.self) return;',
      },
    ],
  },
  {
    name: 'a suspicion is never refuted',
    seed: 106,
    edits: [
      { file: 'overlay/liveness.ts', find: "this.refute(neighbor, 'heard again');", replace: 'return;' },
      {
        file: 'overlay/liveness.ts',
        find: 'if (context.links.get(link)?.neighbor !== false) return;',
        replace: 'if (context.links.get(link) !== undefined || link > 0) return;',
      },
    ],
  },
  {
    name: 'silence is not noticed',
    seed: 13,
    edits: [
      {
        file: 'overlay/liveness.ts',
        find: 'this.suspect(neighbor, `silent for ${Math.round(silentMs)} ms`);',
        replace: 'this.watch(server);',
      },
    ],
  },
  {
    name: 'a broken link counts as nothing',
    seed: 3,
    edits: [
      {
        file: 'overlay/liveness.ts',
        find: 'if (neighbor.suspectedAt === undefined) return this.suspect(neighbor, `link broken (${reason})`);',
        replace: 'if (neighbor.suspectedAt === undefined) return;',
      },
    ],
  },
  {
    name: 'a join is not forwarded as a ring',
    seed: 31,
    edits: [
      {
        file: 'overlay/join-answers.ts',
        find: 'if (forward) this.forward(join, from, Math.min(join.body.ring, ringMax), undefined);',
        replace: '',
      },
    ],
  },
  {
    name: 'joins are not deduplicated',
    seed: 31,
    edits: [{ file: 'overlay/join-answers.ts', find: 'if (this.seen.has(key)) return false;', replace: '' }],
  },
  {
    name: 'a server takes offers for joins it has not made',
    seed: 73,
    edits: [
      {
        file: 'overlay/server-joins.ts',
        find: 'if (nonce === undefined || !this.nonces.some((one) => one.equals(nonce))) {',
        replace: 'if (nonce === undefined) {',
      },
    ],
  },
  {
    name: 'a camera takes offers for joins it has not made',
    seed: 50,
    edits: [
      {
        file: 'overlay/camera-node.ts',
        find: 'if (!this.isOutstanding(server, nonce)) {',
        replace: 'if (this.present !== undefined && !this.isOutstanding(server, nonce)) {',
      },
    ],
  },
  {
    name: 'everybody tells the cameras to rejoin, nobody waits for the earliest',
    seed: 29,
    edits: [
      {
        file: 'overlay/camera-rejoin.ts',
        find: 'if (!away && NeighborTable.earlier(one, self)) return;',
        replace: '',
      },
    ],
  },
  {
    name: 'a camera whose lease lapsed stays',
    seed: 6,
    edits: [
      {
        file: 'overlay/camera-node.ts',
        find: "this.context.alarms.set('lease', present.heardAt + present.leaseMs, () => {",
        replace: "this.context.alarms.set('lease', present.heardAt + 1_000 * present.leaseMs, () => {",
      },
    ],
  },
  {
    name: 'networks that meet do not merge',
    seed: 1,
    edits: [
      {
        file: 'overlay/server-context.ts',
        find: 'if (compareNetworks(other, this.network) >= 0) return false;',
        replace: 'if (compareNetworks(other, this.network) !== 7) return false;',
      },
    ],
  },
  {
    name: 'no merge probes',
    seed: 31,
    edits: [
      {
        file: 'overlay/server-joins.ts',
        find: "if (this.isAlone() || context.timers.has('join')) return;",
        replace: 'if (this.attempt >= 0) return;',
      },
    ],
  },
  {
    name: 'rows are not passed on',
    seed: 6,
    edits: [{ file: 'overlay/exchange.ts', find: 'this.spread.row(row.origin, from);', replace: '' }],
  },
  {
    name: 'document rows are not passed on',
    seed: 24,
    edits: [
      {
        file: 'overlay/exchange.ts',
        find: 'if (link !== undefined && link !== from) this.spread.sendDocument(link, news);',
        replace: 'if (link !== undefined && from === undefined) this.spread.sendDocument(link, news);',
      },
    ],
  },
  {
    name: 'the first writer of a document row wins',
    seed: 24,
    edits: [
      {
        file: 'overlay/site-document.ts',
        find: 'if (known !== undefined && compareRows(row, known.row) <= 0) return false;',
        replace: 'if (known !== undefined) return false;',
      },
    ],
  },
  {
    name: 'histories are not handed over',
    seed: 18,
    edits: [
      {
        file: 'overlay/history-handover.ts',
        find: 'this.owe(camera, { server: row.origin, epoch });',
        replace: '',
      },
    ],
  },
  {
    name: 'a query is answered from the own table',
    seed: 1,
    edits: [
      {
        file: 'overlay/camera-query.ts',
        find: 'if (claim === undefined || claim.server === context.self) {',
        replace: 'if (claim !== undefined || claim === undefined) {',
      },
    ],
  },
  {
    name: 'no bound on the degree',
    seed: 27,
    edits: [
      {
        file: 'overlay/neighborhood.ts',
        find: 'const most = repair ? repairDegreeMax : degree.max;',
        replace: 'const most = repair ? repairDegreeMax : degree.max + repairDegreeMax;',
      },
      // Who has enough links does not offer itself, either: rarely is anybody asked who has to refuse.
      {
        file: 'overlay/join-answers.ts',
        find: 'degree + offered < context.degree.max ||',
        replace: 'degree + offered < context.degree.max + 64 ||',
      },
    ],
  },
  {
    name: 'reconfigured again and again',
    seed: 22,
    edits: [
      {
        file: 'overlay/reconfiguration.ts',
        find: 'if (context.now - this.lastAt < reconfigurationMs) return;',
        replace: '',
      },
    ],
  },
  {
    name: 'pruning without a common neighbor',
    seed: 38,
    edits: [
      {
        file: 'overlay/pruning.ts',
        find: 'if (!holds || !enough || witness === undefined) {',
        replace: 'if (!holds || !enough) {',
      },
      {
        file: 'overlay/pruning.ts',
        find: 'const connected = witness !== undefined && this.witnesses().includes(witness);',
        replace: 'const connected = true;',
      },
      {
        file: 'overlay/pruning.ts',
        find: 'return card.neighbors.some(',
        replace: 'return card.neighbors.length > 0 || card.neighbors.some(',
      },
    ],
  },
  {
    name: 'former neighbors do not reconnect',
    seed: 42,
    edits: [
      {
        file: 'overlay/recovery.ts',
        find: 'for (const { server, link } of context.pick(former, half)) this.reconnect(repair, server, link);',
        replace: '',
      },
      {
        file: 'overlay/recovery.ts',
        find: '    if (repair.ended) return;\n    const',
        replace: '    if (repair.since > 0) return;\n    const',
      },
    ],
  },
];
