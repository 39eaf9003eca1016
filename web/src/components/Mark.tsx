/** The seedling of the wordmark. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path className="mark-stem" d="M16 29V15" />
      <path className="mark-leaf" d="M16 19C16 12 20 7 28 6c0 8-4 13-12 13Z" />
      <path className="mark-bud" d="M16 23c0-5-3-9-11-10 0 6 4 10 11 10Z" />
    </svg>
  );
}
