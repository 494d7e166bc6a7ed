// Adds to the page of a mixture: filters of its datasets and samples; links to a dataset open it.
const datasetsTable = byId("datasets-table");
if (datasetsTable) filterable("datasets", [...datasetsTable.tBodies[0].rows], (row) => row.cells[0].dataset.value);
const samplesList = byId("samples-list");
if (samplesList) filterable("samples", [...samplesList.children], (set) => set.dataset.name);

function openLinked() {
  const set = byId(decodeURIComponent(location.hash.slice(1)))?.closest(".set");
  if (!set) return;
  if (set.hidden) {
    for (const part of ["kind", "name"]) {
      byId(`samples-${part}`).value = "";
      byId(`samples-${part}`).dispatchEvent(new Event(part === "kind" ? "change" : "input"));
    }
  }
  set.open = true;
  set.scrollIntoView();
}
addEventListener("hashchange", openLinked);
openLinked();
