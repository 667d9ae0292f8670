;; SPDX-License-Identifier: MIT
;; jobs.scm - a job server as one writes it in Guile: threads, locks, timers, sockets, subprocesses and exceptions
(use-modules (ice-9 threads) (ice-9 futures) (ice-9 popen) (ice-9 rdelim) (ice-9 match) (ice-9 format)
             (srfi srfi-1) (srfi srfi-11) (rnrs bytevectors))

(define (checksum text)
  (let loop ((round 0) (value 7))
    (if (= round 100)
        value
        (loop (1+ round)
              (string-fold (lambda (char value) (modulo (+ (* value 31) (char->integer char)) 1000003)) value text)))))

(define (by-command text)
  (let* ((port (open-input-pipe (format #f "printf '%s' '~a' | tr , '\\n' | sort -r" text)))
         (lines (let loop ((lines '()))
                  (let ((line (read-line port)))
                    (if (eof-object? line) (reverse lines) (loop (cons line lines)))))))
    (close-pipe port)
    (string-join lines ",")))

(define (run-job kind text)
  (match kind
    ("sum" (checksum text))
    ("sort" (by-command text))
    ("fail" (throw 'refused (format #f "status ~a" (status:exit-val (system "exit 5")))))
    (_ (throw 'refused (format #f "no such job: ~a" kind)))))

(define (answer line)
  (let* ((space (or (string-index line #\space) (string-length line)))
         (kind (substring line 0 space))
         (text (string-trim (substring line space))))
    (catch 'refused
      (lambda () (format #f "ok ~a" (run-job kind text)))
      (lambda (key why) (format #f "refused ~a" why)))))

(define (say port text)
  (display text port)
  (newline port)
  (force-output port))

(define (handle port)
  (let ((line (read-line port)))
    (if (eof-object? line)
        (close-port port)
        (begin (say port (answer line)) (handle port)))))

(define (client number address)
  (let ((socket (socket PF_INET SOCK_STREAM 0)))
    (connect socket address)
    (let ((answers (map (lambda (job)
                          (say socket job)
                          (format #f "~2,'0d ~a: ~a" number job (read-line socket)))
                        (list (format #f "sum client~a" number) (format #f "sort c~a,a,b" number) "nonsense x" "fail"
                              (format #f "sum again~a" number)))))
      (close-port socket)
      answers)))

(define (serve clients)
  (let ((listener (socket PF_INET SOCK_STREAM 0)))
    (bind listener AF_INET INADDR_LOOPBACK 0)
    (listen listener 20)
    (let* ((address (make-socket-address AF_INET INADDR_LOOPBACK (sockaddr:port (getsockname listener))))
           (threads (map (lambda (number) (call-with-new-thread (lambda () (client number address)))) (iota clients)))
           (handlers (map (lambda (number)
                            (let ((port (car (accept listener))))
                              (call-with-new-thread (lambda () (handle port)))))
                          (iota clients))))
      (for-each (lambda (line) (format #t "~a~%" line)) (append-map join-thread threads))
      (for-each join-thread handlers)
      (close-port listener))))

(define (timers)
  (let* ((mutex (make-mutex)) (fired '())
         (threads (map (lambda (name delay)
                         (call-with-new-thread
                          (lambda () (usleep delay) (with-mutex mutex (set! fired (cons name fired))))))
                       '(first second third) '(100000 300000 500000)))
         (doomed (call-with-new-thread (lambda () (let loop () (usleep 10000) (loop))))))
    (cancel-thread doomed 'cancelled)
    (format #t "doomed ~a~%" (join-thread doomed))
    (for-each join-thread threads)
    (format #t "fired ~a~%" (reverse fired))))

;; Producers and consumers around a bounded list, with two conditions.
(define (pipeline)
  (let* ((mutex (make-mutex)) (room (make-condition-variable)) (work (make-condition-variable))
         (buffer '()) (count 0) (sum 0))
    (define (put value)
      (with-mutex mutex
        (while (>= (length buffer) 4) (wait-condition-variable room mutex))
        (set! buffer (append buffer (list value)))
        (signal-condition-variable work)))
    (define (take)
      (with-mutex mutex
        (while (null? buffer) (wait-condition-variable work mutex))
        (let ((value (car buffer)))
          (set! buffer (cdr buffer))
          (signal-condition-variable room)
          value)))
    (define (consume)
      (let ((value (take)))
        (if value
            (begin (with-mutex mutex (set! count (1+ count)) (set! sum (+ sum value))) (consume))
            'ended)))
    (let ((consumers (map (lambda (i) (call-with-new-thread consume)) (iota 3)))
          (producers (map (lambda (base)
                            (call-with-new-thread (lambda () (for-each (lambda (i) (put (+ base i))) (iota 40)))))
                          '(0 1000 2000))))
      (for-each join-thread producers)
      (for-each (lambda (i) (put #f)) (iota 3))
      (format #t "consumers ~a~%" (map join-thread consumers))
      (format #t "consumed ~a ~a~%" count sum))))

;; Each thread sees its own value of a fluid, and futures and parallel maps share the work.
(define level (make-fluid 0))

(define (parallel)
  (format #t "fluids ~a ~a~%"
          (map join-thread
               (map (lambda (i)
                      (call-with-new-thread
                       (lambda () (with-fluids ((level i)) (yield) (usleep 1000) (fluid-ref level)))))
                    (iota 5)))
          (fluid-ref level))
  (format #t "sums ~a~%" (par-map (lambda (i) (checksum (format #f "item~a" i))) (iota 20)))
  (format #t "future ~a~%" (touch (future (checksum "future")))))

;; An exception that leaves a thread is the joiner's to see; garbage is collected with all of them running.
(define (deaths)
  (let ((threads (map (lambda (i)
                        (call-with-new-thread
                         (lambda ()
                           (catch #t
                             (lambda () (if (odd? i) (throw 'gives-up i) (length (vector->list (make-vector 20000 i)))))
                             (lambda (key . args) (list key args))))))
                      (iota 6))))
    (gc)
    (format #t "results ~a~%" (map join-thread threads))
    (let* ((mutex (make-mutex)) (condition (make-condition-variable)))
      (lock-mutex mutex)
      (format #t "timed wait ~a~%"
              (wait-condition-variable condition mutex (+ (current-time) 1)))
      (unlock-mutex mutex))))

(serve 6)
(timers)
(pipeline)
(parallel)
(deaths)
(format #t "done~%")
