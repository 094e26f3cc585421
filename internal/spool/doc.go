// Package spool keeps an audit trail's records on disk between the request that
// made them and the store that takes them: a crash-safe log, written by many
// goroutines and read by one. It makes few promises, and keeps them when
// processes are killed, the power fails, disks fill up or break, and files are
// damaged.
//
//	log, err := spool.Open(spool.Options{Dir: "/var/lib/panel/spool"})
//	rec, err := log.Append(ctx, time.Now(), payload) // survives kill -9 from here on
//
//	r := log.Reader()
//	for {
//		rec, err := r.Next(ctx)
//		// … deliver rec …
//		err = log.Ack(rec.Seq) // never read again
//	}
//
// # What is promised
//
// Each promise is followed by the tests that show it.
//
// A record is in the spool once Append has returned nil. It survives the death of
// the process at once, and a power cut after at most Options.SyncInterval; after
// AppendSync, or under SyncAlways, it survives a power cut at once. Callers that
// wait share an fsync, and wait no longer than their context. (TestKill,
// TestModel, TestSyncInterval, TestConcurrentCallersShareAnFsync, TestHungDisk)
//
// A record that can't be kept is refused with a reason from a closed list, and
// counted. Its number is used up all the same, and that is noted where a full disk
// does not matter; so the trail shows how many records are missing, even if the
// process is killed next. Only Limited records are refused without using up a
// number. However many are refused, the log has a line a minute about them, and one
// when it is over. (TestEveryCallFails, TestFullDropAndItsGap, TestDiskFullAndBack,
// TestNumbersOfRefusedRecordsSurvive, TestLimitedLeavesRoom,
// TestRefusalsAreToldInFewLines, TestFlappingIsToldInFewLines)
//
// Numbers are given once, from 1, without holes other than refused or lost
// records. The reader returns a record only when an fsync covers it (not under
// SyncNone), so a number that is known outside is never given to another record,
// even if the power fails. (TestModel, TestReaderSeesOnlyWhatIsSynced)
//
// So a folder that was copied (to another machine, as part of an image, back from
// a backup) is noticed at Open, told, and goes on under an identity of its own. What
// is in it is read as it was written, number, time and payload; so it is the same
// event if the original delivers it, too, as long as the payload says which log it
// belongs to. (TestCopies, TestCopyOnAnotherMachine, TestNoCopies, TestModel)
//
// Times strictly increase in the order of the numbers. Only a last time of more
// than ten minutes in the future, from a clock that was wrong, is left behind; that
// is counted. Both times are kept. (TestTimesStrictlyIncrease)
//
// Every record is read at least once, in order, and not again once acknowledged,
// also after kill -9 the moment Ack returns. After a power cut the records
// acknowledged within the last sync interval may be read again. (TestKill, TestModel)
//
// Damage takes at most the records it touches. Whatever byte is flipped, wherever
// a file is cut, whichever file is missing, zeroed or overwritten: everything else
// is read, and the loss is reported with file, offset and count. No damage keeps
// the spool from opening, and bytes from outside are never taken for a record.
// (TestEveryByteFlipped, TestEveryByteOfTheCursorFlipped, TestEveryOffsetCut,
// TestTails, TestMissingFiles, TestSegmentCutBeforeItsFirstRecord,
// TestUnreadableFileIsSetAside, TestUnreadableSpot,
// TestForgedRecord, FuzzScanner, FuzzFiles)
//
// Whichever call to the file system fails, and however: nothing crashes or hangs,
// nothing is half kept, and the spool takes records again when the disk is back.
// An fsync that failed is not tried again, because the kernel would call it a
// success: the segment is given up as far as durability goes, its records are
// delivered all the same, and the log goes on in a new file. (TestEveryCallFails,
// TestFailedFsyncIsNotTriedAgain, TestSegmentCutBySomeoneElse)
//
// The spool's files take at most Options.MaxBytes, and 13 KiB for cursor and lock.
// Records appended with Limited leave Options.ReservedBytes of that to the others.
// One process at a time has the folder; the next one can wait for it. Open reads
// the cursor, the list of files and the newest segment, however large the backlog.
// Neither appending nor reading allocates. (TestFullDropAndItsGap, TestFullBlock,
// TestLimitedLeavesRoom, TestOneProcessPerFolder, TestLockTimeout,
// TestOpenReadsOnlyTheEnd, BenchmarkOpen, TestAppendAndReadDoNotAllocate)
//
// Whatever is removed while the log is open, the folder itself included: within a
// sync interval it is made again, and the files that were open are written anew;
// what was in others and not read is counted at once. Until then records are taken
// all the same, and one that can't be put where the next process finds it is
// refused. Files of another spool that are found in the folder's place are set
// aside; if another process has locked it, records are refused and nothing in it
// is touched. (TestFolderRemoved, TestFolderRemovedWhileReading,
// TestEmptyLogsFolderRemoved, TestClosedSegmentRemoved, TestFolderThatCannotBeMade,
// TestFolderTakenByAnotherProcess, TestFolderReadOnlyAndBack)
//
// Nobody else's file is written, and nobody else writes the spool's: a folder of
// another user, or one that others can change, is refused, and so are links, pipes
// and devices in place of its files. (TestFolderThatOthersCanChange,
// TestFolderOfAnotherUser, TestLinksAndPipesInTheFolder,
// TestLeftoverCursorIsNotWrittenThrough, TestOpenPlain)
//
// A spool that a newer program has written, in a format that this one does not know,
// is refused, and nothing in it is changed. (TestNewerFormat)
//
// With a key from outside, Options.Keys, records are encrypted on disk. Whoever reads
// the disk learns nothing of their payloads; whoever writes to it can't make, change,
// move or repeat a record, and one that is taken out from among others is reported as lost.
// A spool that had no key goes on, and is encrypted from then on; a key is replaced
// by putting the new one before it. A missing or wrong key is an error at Open, or of
// the reader, and loses nothing. (TestSealed, TestSealedAgainstWhoHasTheDisk,
// TestSealedFromNowOn, TestSealedWithoutTheKey, and the tests of damage)
//
// # What is not promised
//
//   - A power cut may take the records of the last sync interval, and with them the
//     memory of records refused in it.
//   - A record whose fsync failed may be lost in a power cut, even one after a
//     restart of the process. AppendSync has told its caller, Stats counts it.
//   - Bytes cut cleanly off the end of the newest segment while no process runs,
//     after a crash and since the last sync, leave no trace of the records in them.
//   - Two damages at once, such as the cursor gone and every segment header broken,
//     can lose what both knew. Then the files are set aside and the log begins anew
//     with another identity.
//   - A record that was refused because its write failed may nevertheless be
//     delivered after a restart, if the file could not be cut back either.
//   - A copy is not noticed in which nothing differs: a whole disk or machine that is
//     set back to an older state, or cloned with its /etc/machine-id. Nor is one
//     without the cursor, or one written over the files of a spool whose process was
//     killed, or with their times preserved. Numbers are given twice then, and the
//     log's count in Loki shows it.
//   - A folder moved to another file system is taken for a copy.
//   - Records written after the folder was removed are gone if the process is killed
//     before the next sync, which puts them back.
//   - Encryption hides neither how many records there are nor when, how long and under
//     which numbers they were written. Whoever writes to the disk can destroy what is there:
//     a file or the end of one, noticed as above; or everything, and put a spool in
//     its place that was never encrypted.
//   - Append (not AppendSync) waits as long as a write to the page cache hangs.
//
// # Files
//
// A spool is a folder with mode 0700:
//
//	lock                      held with flock; says which process has it, for people
//	cursor                    what is delivered
//	00000000000000000001.seg  records; the name is a bound for the lowest number
//	….seg.<ns>.bad            set aside: damaged, never read or removed again
//	sealed                    from what number on records are encrypted, if they are
//
// All numbers are little endian, all checksums CRC-32C. Every version of the format
// keeps the marks, the place of the version behind them and those of the checksums;
// what stands in records is of the segment's version, too.
//
// A segment begins with a header of 64 bytes:
//
//	 0  "ADMSPL" 0 1   8  the last byte is the version
//	 8  identity      16  random, the log's
//	24  secret         8  random, the log's, known to nobody else
//	32  first          8  no record here has a lower number
//	40  previous last  8  the last record written before this segment
//	48  created        8  ns
//	56  key            4  a name for the key that records are encrypted with, 0 if not
//	60  checksum       4  of the 60 bytes before
//
// Frames follow without gaps, each a record:
//
//	 0  marker         4  the first half of the secret
//	 4  length         4  of the payload
//	 8  number         8
//	16  time           8  ns
//	24  origin         8  ns, the time as it was given to Append
//	32  payload
//	 …  checksum       4  of all the above, begun with the second half of the
//	                      secret and the segment's first number
//
// After damage the reader looks for the next marker whose frame has a good
// checksum and a number that can follow. An attacker who chooses payloads would
// have to guess 64 bits to have one taken for a record; a block of an older segment
// that a file system hands back has another checksum. "Previous last" tells records
// that are missing from those that were refused, and so a missing file or one cut
// at a frame's end.
//
// An encrypted payload is a random nonce (12), the encrypted number of the record
// written before (8) and payload, and the tag (16), of AES-256-GCM with the frame's
// first 32 bytes as associated data. Its key is HKDF-SHA-256 of the key given, with
// the secret and the segment's first number as salt. The file sealed holds, behind
// "adminsessions spool encrypted from ", the number, and an HMAC-SHA-256 of the secret
// and the number, in hex.
//
// The active segment's space is allocated ahead and the file is mapped where the
// system can; so it ends in zeros. A sealed one is cut to its length.
//
// The cursor has three slots of 128 bytes, at 0, 4096 and 8192. They are overwritten
// in place, which needs no disk space; the one with the highest generation and a
// good checksum counts. Neither that one nor the newest one that is synced is ever
// the next to be written, so neither a killed process nor a power cut takes both.
// Each has the identity and the secret once more.
//
//	 0  "ADMCUR" 0 1   8  the last byte is the version
//	 8  generation     8
//	16  identity      16
//	32  secret         8
//	40  acknowledged   8
//	48  highest        8  number given, to refused records too
//	56  written        8  number of a record; may lag
//	64  synced         8  number of a record; may lag
//	72  last time      8  ns; may lag
//	80  clean          1  1 after Close
//	81  zero           7
//	88  origin         8  a hash of machine, cursor file and its birth
//	96  since          8  first number given under this identity
//	104 previous      16  the identity before, of which this is a copy
//	120 closed         4  s; if clean, the time the file was last modified
//	124 checksum       4
//
// # Rules
//
// A segment is active, then sealed, then synced or given up, then delivered, then
// removed. Only the newest is active, and only in the process that made it: a
// segment found at Open is never written again, only cut behind its last record.
//
// A segment is removed after a durable cursor says that it is delivered. Whatever
// is undone by a crash in between is found to be delivered and is removed again.
//
// A segment in which damage was found is set aside instead of removed. It counts
// towards MaxBytes until someone moves it away; Health says so when such files take
// more than half.
//
// A cursor found in another file than it was written to, or modified since it was
// closed, belongs to a copy. The copy keeps the secret, with which its records are
// read, and gets another identity; the headers tell which records are whose.
//
// A record is copied with its marker last. What follows the last good record of the
// newest segment at Open is therefore either an Append that the process's death cut
// short, without a marker: it never returned, nobody knows its number, and the number
// is given again. Or it is a torn tail: every beginning of a record in it uses up a
// number, as does every number the cursor has seen written. Numbers are rather passed
// over than given twice. (TestKilledInTheMiddleOfACopy)
//
// A file is closed as soon as it is read to its end, and while the disk is full the
// log looks by itself whether there is room again. (TestDeliveredFilesAreClosed,
// TestHealthRecoversByItself)
package spool
