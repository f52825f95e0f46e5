// @dhis2/data-engine, which DHIS2's own apps ask through: by token, and by cookie as a browser would.
const assert = require('node:assert/strict')
const { DataEngine, RestAPILink } = require('@dhis2/data-engine')

const server = process.argv[2]
const basic = name => 'Basic ' + Buffer.from(`${name}:district`).toString('base64')
const engine = apiToken => new DataEngine(new RestAPILink({ baseUrl: server, apiVersion: 42, apiToken }))
const FIELDS = [
    'id', 'displayName', 'subject', 'messageType', 'lastSender[id, displayName]', 'assignee[id, displayName]',
    'status', 'priority', 'lastUpdated', 'read', 'lastMessage', 'followUp',
]

// The messaging app's own queries (shared/clients.md).
const list = (type, filters = []) => ({
    found: {
        resource: 'messageConversations',
        params: {
            filter: [`messageType:eq:${type}`, ...filters],
            pageSize: 35,
            page: 1,
            fields: FIELDS,
            order: 'lastMessage:desc',
        },
    },
})
const one = id => ({
    found: {
        resource: 'messageConversations',
        id,
        params: {
            fields: [
                '*', 'assignee[id, displayName]', 'messages[*,sender[id,displayName]',
                'attachments[id, name, contentLength]]', 'userMessages[user[id, displayName]]',
            ],
        },
    },
})
const post = (resource, data = {}, params = {}) => ({ resource, type: 'create', params, data })

async function work(admin, mobile) {
    const { info } = await mobile.query({ info: { resource: 'system/info' } })
    assert.match(info.version, /^2\.\d+/)
    const { me, config } = await mobile.query({
        me: { resource: 'me', params: { fields: 'id,authorities,userGroups[id]' } },
        config: { resource: 'configuration' },
    })
    assert.ok(Array.isArray(me.authorities) && Array.isArray(me.userGroups))
    assert.ok(config.feedbackRecipients.id)

    const subject = 'From data-engine'
    const users = [{ id: me.id, displayName: 'Mobile User', type: 'user' }]
    const message = { subject, text: 'Hello.', users, userGroups: [], organisationUnits: [], attachments: [] }
    await admin.mutate(post('messageConversations', message))
    const { found } = await mobile.query(list('PRIVATE', ['read:eq:false']))
    const mine = found.messageConversations.find(each => each.subject === subject)
    assert.equal(found.pager.page, 1)
    assert.equal(mine.lastSender.displayName, 'John Traore')

    // Text that looks like a JSON string is a text still.
    await mobile.mutate(post(`messageConversations/${mine.id}`, '"Thanks."', { internal: false }))
    await mobile.mutate(post('messageConversations/read', [mine.id]))
    await mobile.mutate(post('messageConversations/followup', [mine.id]))
    await mobile.mutate(
        post(`messageConversations/${mine.id}/status`, {}, { messageConversationStatus: 'PENDING' })
    )
    const { found: opened } = await mobile.query(one(mine.id))
    assert.deepEqual(opened.messages.map(each => [each.text, each.sender.displayName, each.attachments]), [
        ['Hello.', 'John Traore', []],
        ['"Thanks."', 'Mobile User', []],
    ])
    assert.deepEqual([opened.read, opened.followUp, opened.status], [true, true, 'PENDING'])
    assert.deepEqual(opened.userMessages.map(each => each.user.displayName).sort(), ['John Traore', 'Mobile User'])

    await mobile.mutate(post('messageConversations/feedback', 'It does not start.', { subject: 'Tablet' }))
    const { found: tickets } = await mobile.query(list('TICKET'))
    assert.equal(tickets.messageConversations[0].subject, 'Tablet')

    const { found: recipients } = await mobile.query({ found: { resource: 'userLookup', params: { query: 'tra' } } })
    assert.deepEqual(recipients.users.map(each => each.displayName), ['John Traore'])

    await mobile.mutate({ resource: `messageConversations/${mine.id}`, id: me.id, type: 'delete' })
    await assert.rejects(mobile.query(one(mine.id)), {
        type: 'access',
        message: 'Not authorized to access this conversation.',
    })
    assert.equal(await mobile.query({ pong: { resource: 'ping' } }).then(({ pong }) => pong), 'pong')
}

async function token(name) {
    const answer = await fetch(`${server}/api/apiToken`, {
        method: 'POST',
        headers: { Authorization: basic(name), 'Content-Type': 'application/json' },
        body: JSON.stringify({ attributes: [] }),
    })
    assert.equal(answer.status, 201)
    return (await answer.json()).response.key
}

async function cookie(name) {
    const answer = await fetch(`${server}/api/auth/login`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ username: name, password: 'district' }),
    })
    assert.equal(answer.status, 200)
    return answer.headers.getSetCookie().map(each => each.split(';')[0]).join('; ')
}

async function main() {
    await work(engine(await token('admin')), engine(await token('mobile')))

    // As in a browser: the cookie comes along, and an Authorization header that is empty.
    const bare = globalThis.fetch
    const jar = await cookie('mobile')
    globalThis.fetch = (url, options) => {
        assert.equal(options.headers.Authorization, '')
        return bare(url, { ...options, headers: { ...options.headers, Cookie: jar, Origin: server } })
    }
    const { me } = await engine().query({ me: { resource: 'me', params: { fields: 'username' } } })
    assert.deepEqual(me, { username: 'mobile' })
    await engine().mutate(post('messageConversations/read', ['ZjHHSjyyeJ2']))
    globalThis.fetch = bare
    await assert.rejects(engine().query(list('PRIVATE')), { type: 'access', message: 'Unauthorized' })
}

main().catch(error => {
    console.error(error)
    process.exit(1)
})
