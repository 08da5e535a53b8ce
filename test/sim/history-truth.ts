/**
 * What Table 3 must come to once nothing goes wrong any more (C5): states are true, no tenure is invented, every server
 * knows of its own time with a camera, and the present manager knows what any live server knows. Whatever else is
 * missing shows as `unknown`: the view fills holes in, so that looking for holes would find none. See truth.ts.
 */
import type { SimUnit } from './sim-unit.ts';
import type { TenureRecord } from './tenure-record.ts';
import type { SimWorld } from './world.ts';

/** What the view puts where an epoch is missing. */
const unknownServer = 'unknown';

type Row = ReturnType<ReturnType<SimWorld['serverNode']>['tables']>['history'][number];
type Tenures = Row['tenures'];
/** server → camera → what it shows */
type Shown = ReadonlyMap<string, ReadonlyMap<string, Row>>;

/** The first thing that is wrong in the histories; undefined when they are as the run was. */
export function historyProblem(world: SimWorld, record: TenureRecord): string | undefined {
  const shown: Shown = new Map(
    world.liveServers.map(({ id }) => [
      id,
      new Map(
        world
          .serverNode(id)
          .tables()
          .history.map((row) => [row.camera, row]),
      ),
    ]),
  );
  return (
    states(world, shown) ?? invented(shown, record) ?? forgotten(shown, record) ?? handedOver(world, shown)
  );
}

const unitOf = (world: SimWorld, camera: string): SimUnit | undefined =>
  world.cameras.find(({ cameraIds }) => cameraIds.includes(camera));

/** By the camera's own account; a dead one has none. */
function managerOf(world: SimWorld, unit: SimUnit | undefined): string | undefined {
  return unit?.isAlive === true ? world.cameraNode(unit.id).manager() : undefined;
}

function states(world: SimWorld, shown: Shown): string | undefined {
  for (const [id, rows] of shown) {
    for (const { camera, state } of rows.values()) {
      const manager = managerOf(world, unitOf(world, camera));
      if ((state === 'online') !== (manager === id))
        return `${id} has ${camera} as ${state}, it is with ${manager ?? 'nobody'}`;
      if (manager !== undefined && manager !== id && state !== 'indirectly')
        return `${id} has ${camera} as ${state}, it is with ${manager}`;
    }
  }
  return undefined;
}

function invented(shown: Shown, record: TenureRecord): string | undefined {
  for (const [id, rows] of shown) {
    for (const { camera, tenures } of rows.values()) {
      for (const { server, firstEpoch, lastEpoch } of tenures) {
        if (server === unknownServer) continue;
        for (let epoch = firstEpoch; epoch <= lastEpoch; epoch++) {
          if (!record.has(camera, epoch, server))
            return `${id} says that ${server} managed ${camera} with epoch ${epoch}, which never was`;
        }
      }
    }
  }
  return undefined;
}

const includes = (tenures: Tenures, id: string, first: number, last: number): boolean =>
  tenures.some(
    ({ server, firstEpoch, lastEpoch }) => server === id && firstEpoch <= first && lastEpoch >= last,
  );

function forgotten(shown: Shown, record: TenureRecord): string | undefined {
  for (const { server, camera, epoch } of record.known()) {
    const own = shown.get(server.id)?.get(camera)?.tenures ?? [];
    if (!includes(own, server.id, epoch, epoch))
      return `${server.id} managed ${camera} with epoch ${epoch} and does not know of it`;
  }
  return undefined;
}

function handedOver(world: SimWorld, shown: Shown): string | undefined {
  for (const unit of world.liveCameras) {
    const manager = managerOf(world, unit);
    // A camera that has lost its disk may give one epoch to two managers.
    if (manager === undefined || unit.disk.hasLied) continue;
    for (const camera of unit.cameraIds) {
      const known = shown.get(manager)?.get(camera)?.tenures ?? [];
      for (const [teller, rows] of shown) {
        for (const { server, firstEpoch, lastEpoch } of rows.get(camera)?.tenures ?? []) {
          if (server === unknownServer || includes(known, server, firstEpoch, lastEpoch)) continue;
          return `${manager} manages ${camera} and does not know of its time with ${server}, as ${teller} does`;
        }
      }
    }
  }
  return undefined;
}

/**
 * Whether a server keeps a history for a last manager that is dead, for ever: nobody else has the camera, which is dead,
 * too, or found no place. While a live server manages the camera, its history goes there.
 */
export function isOwedForEver(world: SimWorld, id: string): boolean {
  const node = world.serverNode(id);
  const claimed = new Map(node.cameras().map(({ camera, manager }) => [camera, manager]));
  return node.tables().history.some(({ camera }) => {
    if (managerOf(world, unitOf(world, camera)) !== undefined) return false;
    const last = claimed.get(camera);
    return last !== undefined && !world.unit(last).isAlive;
  });
}
