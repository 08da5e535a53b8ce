/**
 * The network as a picture: servers with their links and what those cost, cameras around their managers. It repeats
 * what the tables below say and link to, so screen readers and keys get those instead of it. Sizes in CSS pixels.
 */

import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { CameraAnswer, SiteAnswer } from '../api.ts';
import { cameraHref, goTo, networkHref } from './location-state.ts';
import { fanAround, layoutNetwork, type Placed, type Point } from './network-layout.ts';
import { cameraName } from './site-state.ts';

const serverRadius = 26;
const cameraRadius = 6;
const cameraDistance = 56;
/** More cameras than this around one server are drawn without names. */
const namedMax = 6;
const ringMax = 24;

export interface NetworkLink {
  readonly source: string;
  readonly target: string;
  /** round trip; undefined while nobody knows */
  readonly costMs: number | undefined;
  readonly suspected: boolean;
}

export interface NetworkMapProps {
  readonly servers: SiteAnswer['servers'];
  readonly links: readonly NetworkLink[];
  readonly cameras: readonly CameraAnswer[];
  /** whose tables are shown */
  readonly chosen: string;
}

export function NetworkMap({ servers, links, cameras, chosen }: NetworkMapProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useSignal(900);
  const placed = useRef<Placed>(undefined);
  useEffect(() => {
    if (frame.current === null) return;
    const sizes = new ResizeObserver(([entry]) => {
      width.value = Math.max(280, entry?.contentRect.width ?? 0);
    });
    sizes.observe(frame.current);
    return () => sizes.disconnect();
  }, []);
  const wide = width.value;
  const high = Math.round(Math.min(520, Math.max(320, wide * (servers.length > 6 ? 0.6 : 0.42))));
  const ids = servers.map(({ id }) => id).sort();
  const places = useMemo(() => {
    placed.current = layoutNetwork(ids, links, placed.current);
    return placed.current.places;
  }, [ids.join(), links.map(({ source, target }) => `${source}-${target}`).join()]);
  const at = (id: string): Point => {
    const { x, y } = places.get(id) ?? { x: 0.5, y: 0.5 };
    // a few servers stand together in the middle of a wide screen
    const across = Math.min(wide - 2 * Math.min(120, wide * 0.22), 160 * (servers.length - 1) + 60);
    return { x: (wide - across) / 2 + x * across, y: 86 + y * (high - 172) };
  };
  const alive = servers.filter(({ state }) => state !== 'unreachable').length;
  return (
    <div ref={frame} class="network-frame">
      <svg
        class="network-map"
        viewBox={`0 0 ${wide} ${high}`}
        height={high}
        role="img"
        aria-label={`${servers.length} servers, ${alive} of them reachable, ${links.length} ${links.length === 1 ? 'link' : 'links'}, ${cameras.length} cameras; the tables below say which.`}
      >
        {links.map((link) => (
          <LinkLine
            key={`${link.source}-${link.target}`}
            link={link}
            from={at(link.source)}
            to={at(link.target)}
          />
        ))}
        {servers.map((server) => {
          const angles = links.flatMap(({ source, target }) => {
            if (source !== server.id && target !== server.id) return [];
            const [here, there] = [at(server.id), at(source === server.id ? target : source)];
            return [Math.atan2(there.y - here.y, there.x - here.x)];
          });
          return (
            <g key={server.id}>
              <Cameras
                cameras={cameras.filter(({ manager }) => manager === server.id)}
                at={at(server.id)}
                angles={angles}
              />
              <ServerMark server={server} at={at(server.id)} chosen={server.id === chosen} />
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function LinkLine({ link, from, to }: { link: NetworkLink; from: Point; to: Point }) {
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  return (
    <g class={`network-link ${link.suspected ? 'network-link-suspected' : ''}`}>
      <line x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
      <g class="network-cost">
        <rect x={middle.x - 30} y={middle.y - 10} width={60} height={20} rx={10} />
        <text x={middle.x} y={middle.y}>
          {link.suspected ? 'silent' : costText(link.costMs)}
        </text>
      </g>
    </g>
  );
}

/** `0.4 ms`, `12 ms` */
export function costText(costMs: number | undefined): string {
  if (costMs === undefined || costMs === 0) return '…';
  return costMs < 10 ? `${costMs.toFixed(1)} ms` : `${Math.round(costMs)} ms`;
}

function ServerMark({
  server,
  at,
  chosen,
}: {
  server: SiteAnswer['servers'][number];
  at: Point;
  chosen: boolean;
}) {
  const { id, state } = server;
  const name = server.name || id;
  return (
    <g
      class={`network-server network-server-${state} ${chosen ? 'network-server-chosen' : ''}`}
      data-server={id}
      onClick={() => goTo(networkHref(id))}
    >
      <rect
        x={at.x - serverRadius * 1.85}
        y={at.y - serverRadius * 0.85}
        width={serverRadius * 3.7}
        height={serverRadius * 1.7}
        rx={9}
      />
      <text x={at.x} y={at.y - 5} class="network-name">
        {shortened(name, 11)}
      </text>
      <text x={at.x} y={at.y + 11} class="network-note">
        {state === 'self' ? 'connected' : state === 'unreachable' ? 'not reachable' : 'reachable'}
      </text>
    </g>
  );
}

function Cameras({
  cameras,
  at,
  angles,
}: {
  cameras: readonly CameraAnswer[];
  at: Point;
  angles: readonly number[];
}) {
  const named = cameras.length <= namedMax;
  const rings = Math.ceil(cameras.length / ringMax);
  const directions = named ? fanAround(angles, cameras.length) : [];
  return (
    <>
      {cameras.map((camera, place) => {
        const ring = named ? 0 : Math.floor(place / ringMax);
        const full = (place % ringMax) / Math.min(ringMax, cameras.length);
        const angle = directions[place] ?? full * 2 * Math.PI + ring * 0.13;
        const far = cameraDistance + (named ? 14 : ring * 16 + (rings > 1 ? 4 : 8));
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const point = { x: at.x + cos * far * 1.25, y: at.y + sin * far * 0.9 };
        const anchor = cos > 0.4 ? 'start' : cos < -0.4 ? 'end' : 'middle';
        const aside = anchor === 'middle' ? 0 : Math.sign(cos) * 11;
        return (
          <g
            key={camera.id}
            onClick={() => goTo(cameraHref(camera.id))}
            class={`network-camera network-camera-${camera.state}`}
          >
            <title>{`${cameraName(camera.id)}: ${camera.state}`}</title>
            <line x1={at.x} y1={at.y} x2={point.x} y2={point.y} />
            <circle cx={point.x} cy={point.y} r={cameraRadius} />
            {named && (
              <text
                x={point.x + aside}
                y={point.y + (anchor === 'middle' ? Math.sign(sin) * 17 : 0)}
                text-anchor={anchor}
              >
                {shortened(cameraName(camera.id), 14)}
              </text>
            )}
          </g>
        );
      })}
    </>
  );
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
