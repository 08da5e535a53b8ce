/** The page's entry: follows the address and the site, and shows the grid or one camera on `#app`. */
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { CameraGrid } from './camera-grid.tsx';
import { CameraView } from './camera-view.tsx';
import { followLocation, route } from './location-state.ts';
import { PageHeader } from './page-header.tsx';
import { followSite, site } from './site-state.ts';

function Page() {
  const shown = route.value;
  const name = site.value?.site ?? 'Starling';
  useEffect(() => {
    document.title =
      shown.camera === undefined ? `${name} · Starling` : `${shown.camera} · ${name} · Starling`;
  }, [shown.camera, name]);
  return (
    <>
      <PageHeader />
      {shown.camera === undefined ? <CameraGrid /> : <CameraView key={shown.camera} route={shown} />}
    </>
  );
}

const life = new AbortController();
followLocation(life.signal);
void followSite(life.signal);

const root = document.querySelector('#app');
if (root === null) throw new Error('the document has no #app');
render(<Page />, root);
