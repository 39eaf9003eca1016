/** The very first thing a new user sees. */
export function NoDataset() {
  return (
    <main className="card roomy-card">
      <h2>No dataset yet</h2>
      <p>Register a folder with one sub-folder of images per class, then submit a sweep:</p>
      <pre>
        <code>{"cultivar dataset add FOLDER\ncultivar sweep submit SWEEP.yaml"}</code>
      </pre>
      <p className="muted">This page notices by itself.</p>
    </main>
  );
}
