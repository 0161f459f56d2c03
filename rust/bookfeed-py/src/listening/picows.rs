//! The one place that knows how picows lays out its objects: `WSFrame`, `WSListener`, its table.
//!
//! picows publishes them (`picows.pxd`), so that compiled code may use them. Nothing here is used
//! before `learn` has compared what it can, `live/native.py` the declarations themselves, and a
//! conversation through picows has shown that its frames come here. Each listener is compared anew
//! (`install`), and so is the first frame of each connection (`agrees`).
//!
//! A listener that is installed differs in one thing: its table of methods is ours, in which one
//! entry is another. Who calls Python for a frame, and how, remains picows' own: frames that are
//! not ours to take go through the entry that was there.

use super::FrameIntake;
use crate::errors::engine_error;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyType};
use std::ffi::{c_int, c_void};
use std::mem::{offset_of, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// A frame that is a text message, or begins one.
const TEXT: c_int = 1;

/// picows' `WSFrame`.
#[repr(C)]
struct RawFrame {
    head: ffi::PyObject,
    table: *const c_void,
    payload_object: *mut ffi::PyObject,
    payload: *const u8,
    payload_size: ffi::Py_ssize_t,
    tail_size: ffi::Py_ssize_t,
    opcode: c_int,
    fin: u8,
    rsv1: u8,
    rsv2: u8,
    rsv3: u8,
    last_in_buffer: u8,
}

/// picows' `WSListener`, and the one slot of the class that is derived from it.
#[repr(C)]
struct RawListener {
    head: ffi::PyObject,
    table: *const Table,
    weak_references: *mut ffi::PyObject,
    intake: *mut ffi::PyObject,
}

/// A method of the table that is only handed on.
type Other = unsafe extern "C" fn();
/// `on_ws_frame(listener, transport, frame, skip_dispatch)`: a new reference, or null and an error.
type OnFrame = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *mut ffi::PyObject,
    *mut ffi::PyObject,
    c_int,
) -> *mut ffi::PyObject;

/// The methods of `WSListener`, in the order of their declaration.
#[repr(C)]
#[derive(Clone, Copy)]
struct Table {
    on_ws_connected: Option<Other>,
    on_ws_frame: Option<OnFrame>,
    on_ws_disconnected: Option<Other>,
    send_user_specific_ping: Option<Other>,
    is_user_specific_pong: Option<Other>,
    pause_writing: Option<Other>,
    resume_writing: Option<Other>,
}

/// What is known of the picows that is there. Addresses are numbers: they are only compared.
struct Known {
    frame_address: usize,
    table_address: usize,
    /// What picows itself does with a frame: it calls Python.
    original: OnFrame,
    /// picows' table, with `on_ws_frame` of this file in it.
    table: Table,
}

static KNOWN: OnceLock<Known> = OnceLock::new();

/// A frame during its callback.
struct Frame<'a> {
    opcode: c_int,
    fin: u8,
    reserved: [u8; 3],
    last: u8,
    payload: &'a [u8],
}

/// Compares what of the layout can be compared, and keeps it. Says what differs.
///
/// `slotted` is a class derived from `WSListener` that adds a single slot, for the intake.
pub(super) fn learn(
    slotted: &Bound<'_, PyType>,
    frame_type: &Bound<'_, PyType>,
) -> PyResult<Option<String>> {
    let frame_address = frame_type.as_ptr() as usize;
    let base = slotted.getattr("__base__")?.cast_into::<PyType>()?;
    for (kind, ours) in [
        (&base, offset_of!(RawListener, intake)),
        (slotted, size_of::<RawListener>()),
        (frame_type, size_of::<RawFrame>()),
    ] {
        let theirs: usize = kind.getattr("__basicsize__")?.extract()?;
        if theirs != ours {
            return Ok(Some(format!("{} has {theirs} bytes, not {ours}", kind.name()?)));
        }
    }
    let capsule = base.getattr("__pyx_vtable__")?;
    let pointer = capsule.cast::<PyCapsule>()?.pointer_checked(None)?.cast::<Table>();
    // SAFETY: the capsule of that name is Cython's: it holds the address of the type's table, which
    // is static and has an entry for each method that the published declarations name. Those were
    // compared with `Table` before this is called.
    let table = unsafe { pointer.read() };
    let Some(original) = table.on_ws_frame else {
        return Ok(Some("WSListener has no on_ws_frame".to_owned()));
    };
    let known = KNOWN.get_or_init(|| Known {
        frame_address,
        table_address: pointer.as_ptr() as usize,
        original,
        table: Table { on_ws_frame: Some(on_ws_frame), ..table },
    });
    let same = known.frame_address == frame_address && known.table_address == pointer.as_ptr() as usize;
    Ok((!same).then(|| "it is not the one that was imported first".to_owned()))
}

/// Has `listener` hand its frames to the intake in its slot.
///
/// Says what differs; the listener is as it was then.
pub(super) fn install(
    listener: &Bound<'_, PyAny>,
    intake: &Bound<'_, FrameIntake>,
) -> PyResult<Option<String>> {
    let Some(known) = KNOWN.get() else {
        return Ok(Some("its layout was not compared".to_owned()));
    };
    let size: usize = listener.get_type().getattr("__basicsize__")?.extract()?;
    let table_of_type = listener.getattr("__pyx_vtable__").ok();
    let capsule = table_of_type.as_ref().and_then(|table| table.cast::<PyCapsule>().ok());
    let address = capsule.and_then(|capsule| capsule.pointer_checked(None).ok());
    if size < size_of::<RawListener>()
        || address.is_none_or(|address| address.as_ptr() as usize != known.table_address)
    {
        return Err(PyTypeError::new_err("not a listener of the class that was learned"));
    }
    // SAFETY: the type of `listener` has the very table that was learned, so it is `WSListener` or
    // derived from it; and it is as large as the class whose fields were compared with
    // `RawListener`. It is alive for the call. This thread holds the GIL and calls nobody until it
    // returns, so nobody else reads or writes the object meanwhile.
    let raw = unsafe { &mut *listener.as_ptr().cast::<RawListener>() };
    if raw.table as usize != known.table_address {
        return Ok(Some("the table of a listener is not that of its type".to_owned()));
    }
    if raw.intake != intake.as_ptr() {
        return Ok(Some("the slot of a listener is not where it should be".to_owned()));
    }
    // `known` is static, so the table outlives every listener.
    raw.table = &raw const known.table;
    Ok(None)
}

/// Whether what is read of `frame` here is what its own getters say. Only during its callback.
pub(super) fn agrees(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    // SAFETY: it is the frame that picows hands to its callback, as the caller promises, so its
    // payload is in picows' buffer until the callback ends.
    let Some(seen) = (unsafe { read(frame) }) else { return Ok(false) };
    let flag = |name: &str| frame.getattr(name)?.extract::<u8>();
    let (opcode, size): (c_int, usize) =
        (frame.getattr("msg_type")?.extract()?, frame.getattr("payload_size")?.extract()?);
    Ok(seen.opcode == opcode
        && seen.payload.len() == size
        && seen.fin == flag("fin")?
        && seen.reserved == [flag("rsv1")?, flag("rsv2")?, flag("rsv3")?]
        && seen.last == flag("last_in_buffer")?
        && payload_agrees(frame, seen.payload)?)
}

#[allow(clippy::disallowed_methods, reason = "the public getter is what is compared with")]
fn payload_agrees(frame: &Bound<'_, PyAny>, payload: &[u8]) -> PyResult<bool> {
    Ok(frame.call_method0("get_payload_as_bytes")?.extract::<&[u8]>()? == payload)
}

/// What is in a frame; nothing if it is not one of the type that was compared.
///
/// # Safety
/// If `frame` is a `WSFrame`, its callback has not ended before `'a` ends.
unsafe fn read<'a>(frame: &'a Bound<'_, PyAny>) -> Option<Frame<'a>> {
    if frame.get_type_ptr() as usize != KNOWN.get()?.frame_address {
        return None;
    }
    // SAFETY: it is of the very type whose size was compared with `RawFrame`. During the callback
    // picows has `payload_size` bytes at `payload`, unless that is null, and changes none of them.
    let (raw, payload) = unsafe {
        let raw = &*frame.as_ptr().cast::<RawFrame>();
        let size = usize::try_from(raw.payload_size).ok().filter(|_| !raw.payload.is_null())?;
        (raw, std::slice::from_raw_parts(raw.payload, size))
    };
    let reserved = [raw.rsv1, raw.rsv2, raw.rsv3];
    Some(Frame { opcode: raw.opcode, fin: raw.fin, reserved, last: raw.last_in_buffer, payload })
}

/// What picows calls for each frame of an installed listener.
///
/// # Safety
/// As picows calls it: `listener` is one on which `install` succeeded, `frame` is a frame whose
/// callback this is, all are alive, and the thread holds the GIL.
unsafe extern "C" fn on_ws_frame(
    listener: *mut ffi::PyObject,
    transport: *mut ffi::PyObject,
    frame: *mut ffi::PyObject,
    skip_dispatch: c_int,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise: the thread holds the GIL, and both are alive for the call.
    let (py, heard, given) = unsafe {
        let py = Python::assume_attached();
        (py, Borrowed::from_ptr(py, listener), Borrowed::from_ptr(py, frame))
    };
    // What a panic leaves behind is not looked at again: the engine poisons its books itself.
    // SAFETY: the caller's promise.
    let offered = catch_unwind(AssertUnwindSafe(|| unsafe { offer(&heard, &given) }));
    let error = match (offered, KNOWN.get()) {
        (Ok(Ok(true)), _) => return py.None().into_ptr(),
        (Ok(Ok(false)), Some(known)) => {
            // SAFETY: it is the entry that picows would have called, with what it was called with.
            return unsafe { (known.original)(listener, transport, frame, skip_dispatch) };
        }
        (Ok(Err(error)), _) => error,
        (Err(_), _) | (_, None) => engine_error("the native listener failed"),
    };
    match super::tell(&heard, error) {
        Ok(()) => py.None().into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Offers a frame to the intake of its listener; whether it was taken.
///
/// # Safety
/// `install` succeeded on `listener`, and this is the callback of `frame`.
unsafe fn offer<'py>(listener: &Bound<'py, PyAny>, frame: &Bound<'py, PyAny>) -> PyResult<bool> {
    // SAFETY: `install` compared the type of the listener with `RawListener`. Its slot holds
    // nothing, or an object that is alive as long as it is there; from here on this reference keeps
    // it, too. The frame is the one whose callback this is, and it is not used after that.
    let (kept, frame) = unsafe {
        let intake = (*listener.as_ptr().cast::<RawListener>()).intake;
        (Bound::from_borrowed_ptr_or_opt(listener.py(), intake), read(frame))
    };
    let (Some(Ok(intake)), Some(frame)) = (kept.map(Bound::cast_into::<FrameIntake>), frame) else {
        return Ok(false);
    };
    if frame.opcode != TEXT || frame.fin != 1 || frame.reserved != [0; 3] {
        return Ok(false);
    }
    intake.get().take(listener.py(), frame.payload, frame.last != 0)
}
