//! What the open window has written into its journal, read beside it.

use crate::hand::PATIENCE;
use delineo::patient::{Series, StructureSet};
use delineo::session::Session;
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::Arc;

/// The structures without what no step changes: revisions, and what is shown.
pub fn plain(set: &StructureSet) -> StructureSet {
    let mut set = set.clone();
    for roi in &mut set.rois {
        let roi = Arc::make_mut(roi);
        roi.revision = 0;
        roi.visible = true;
    }
    set
}

/// The journal that the window writes.
pub struct Written {
    pub journals: PathBuf,
    pub copies: PathBuf,
    pub series: Arc<Series>,
}

impl Written {
    fn connection(&self) -> Connection {
        let mut files = std::fs::read_dir(&self.journals).unwrap().flatten().map(|entry| entry.path());
        let file = files.find(|path| path.extension().is_some_and(|ending| ending == "journal")).unwrap();
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// How many steps are done, and the name of the last one.
    pub fn done(&self) -> (usize, String) {
        let query = "SELECT cursor, coalesce((SELECT name FROM edit WHERE seq = cursor), '') FROM session";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
        let (steps, name) = self.connection().query_row(query, [], row).unwrap();
        (usize::try_from(steps).unwrap(), name)
    }

    /// The session that another start of the program would go on with.
    pub fn session(&self) -> Session {
        let names = (0..).map(|number| self.copies.join(format!("copy-{number}.journal")));
        let file = names.into_iter().find(|file| !file.exists()).unwrap();
        self.connection().execute("VACUUM INTO ?1", [file.to_str().unwrap()]).unwrap();
        Session::resume(Arc::clone(&self.series), &file).unwrap()
    }
}
